"""Replays of many dead jobs: what became of the first job, and of the others."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.admin.base import BoundedAdmin, field_names
from jobs.admin.links import job_link
from jobs.models import CanaryReplay


@admin.register(CanaryReplay)
class CanaryReplayAdmin(BoundedAdmin):
    """Replays, newest first; one that stopped says why."""

    list_display = (
        "state", "model", "fingerprint", "link", "tried", "replayed", "most", "reason", "actor", "created_at",
    )  # fmt: skip
    list_display_links = ("state", "model")
    list_filter = ("state",)
    ordering = ("-id",)
    fields = ("link", *field_names(CanaryReplay, "id", "canary", "jobs"))
    readonly_fields = ("link",)

    @admin.display(description="first job")
    def link(self, row: CanaryReplay) -> SafeString:
        """Return a link to the first job."""
        return job_link(row.canary)
