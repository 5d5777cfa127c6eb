"""Replays of many dead jobs: what became of the first job, and of the others."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.admin.base import BoundedAdmin, field_names
from jobs.admin.links import job_link
from jobs.admin.rights import may_see
from jobs.models import CanaryReplay

_LINES = ("link", *field_names(CanaryReplay, "id", "canary", "jobs"))


@admin.register(CanaryReplay)
class CanaryReplayAdmin(BoundedAdmin):
    """Replays, newest first; one that stopped says why."""

    list_display = (
        "state", "model", "fingerprint", "link", "tried", "replayed", "most", "reason", "actor", "created_at",
    )  # fmt: skip
    list_display_links = ("state", "model")
    list_filter = ("state",)
    ordering = ("-id",)
    fields = _LINES
    readonly_fields = ("link",)

    def get_fields(self, request: HttpRequest, obj: CanaryReplay | None = None) -> tuple[str, ...]:  # noqa: ARG002  # Django's signature
        """Return the page's lines; the patch, which may hold parts of inputs, only for some users."""
        return tuple(name for name in _LINES if may_see(request) or name != "patch")

    @admin.display(description="first job")
    def link(self, row: CanaryReplay) -> SafeString:
        """Return a link to the first job."""
        return job_link(row.canary)
