"""The small tables beside the jobs: outbox and events."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.admin.base import BoundedAdmin, field_names
from jobs.admin.filters import ColumnFilter, ModelNameFilter
from jobs.admin.links import job_link, row_link
from jobs.admin.rights import may_see
from jobs.core.access.audit_kinds import without_payload
from jobs.core.priority import HIGHEST, LOWEST
from jobs.models import Event, Outbox
from models_registry.shared.admin_columns import shown_columns
from models_registry.shared.admin_render import NONE, bounded_text, compact, pretty

KINDS_FROM_ROWS = 1_000


class PriorityFilter(ColumnFilter):
    """Outbox rows of one priority."""

    title, parameter_name, column = "priority", "priority", "priority"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the priorities, highest first."""
        return [(str(value), str(value)) for value in range(HIGHEST, LOWEST - 1, -1)]


class EventKindFilter(ColumnFilter):
    """Events of one kind."""

    title, parameter_name, column = "kind", "kind", "kind"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the kinds among the newest events."""
        recent = Event.objects.order_by("-id").values_list("kind", flat=True)[:KINDS_FROM_ROWS]
        return [(kind, kind) for kind in sorted(set(recent))]


@admin.register(Outbox)
class OutboxAdmin(BoundedAdmin):
    """The next publish of each queued or waiting job."""

    list_display = ("key", "model", "priority", "due", "published", "epoch", "deadline")
    list_display_links = None
    list_filter = (ModelNameFilter, PriorityFilter)
    fields = ("link", *field_names(Outbox, "job"))
    readonly_fields = ("link",)

    @admin.display(description="job")
    def key(self, row: Outbox) -> SafeString:
        """Return a link to its page."""
        return row_link("outbox", row.job_id)

    @admin.display(description="job")
    def link(self, row: Outbox) -> SafeString:
        """Return a link to the job."""
        return job_link(row.job_id)


@admin.register(Event)
class EventAdmin(BoundedAdmin):
    """Failed attempts, and what people and clients did."""

    search_column = "job_id"
    list_filter = (EventKindFilter,)
    readonly_fields = ("link", "whole_detail", "seen_detail")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the columns; details that may quote an input only for users who may see payloads."""
        detail = "short_detail" if may_see(request) else "seen_part"
        return shown_columns(Event, ("at", "kind", "actor", "address", "link", detail))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002  # Django's signature
        """Return the page's lines; details that may quote an input only for users who may see payloads."""
        detail = "whole_detail" if may_see(request) else "seen_detail"
        return shown_columns(Event, ("at", "kind", "actor", "address", "token", "link", "epoch", detail))

    @admin.display(description="job")
    def link(self, event: Event) -> SafeString | str:
        """Return a link to the job, where the event has one."""
        return job_link(event.job_id) if event.job_id else NONE

    @admin.display(description="detail")
    def short_detail(self, event: Event) -> str:
        """Return the detail's beginning."""
        return compact(event.detail)

    @admin.display(description="detail")
    def seen_part(self, event: Event) -> str:
        """Return the beginning of the part of the detail that every user may see."""
        return compact(without_payload(event.kind, event.detail))

    @admin.display(description="detail")
    def seen_detail(self, event: Event) -> SafeString:
        """Return the part of the detail that every user may see."""
        return bounded_text(pretty(without_payload(event.kind, event.detail)))

    @admin.display(description="detail")
    def whole_detail(self, event: Event) -> SafeString:
        """Return the detail."""
        return bounded_text(pretty(event.detail))
