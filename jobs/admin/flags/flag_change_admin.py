"""Every change of every flag as a difference, and which flags were in force at a moment. Read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from jobs.admin.flags.flag_cells import flag_diff, on_for
from jobs.admin.links import registry_link
from jobs.admin.rollouts.rule_admin import RuleChangeList
from jobs.admin.rollouts.rule_moment import MomentForm
from jobs.services.flags.flag_views import FlagView, list_flags
from models_registry.models import FlagChange
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, bounded_text, pretty, table


@admin.register(FlagChange)
class FlagChangeAdmin(ReadOnlyAdmin):
    """The history of flags, number by number."""

    list_display = ("numbered", "name", "changes", "actor", "reason", "since")
    list_display_links = None
    search_fields = ("=name",)
    ordering = ("-id",)
    fields = ("name", "number", "changes", "actor", "address", "reason", "since", "whole", "sha256")
    readonly_fields = ("changes", "since", "whole")
    change_list_template = "admin/jobs/flags/changes.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RuleChangeList]:  # noqa: ARG002  # Django's signature
        """Return the list that knows the form."""
        return RuleChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlagChange]:
        """Return the changes, each with the document of the one before it."""
        before = FlagChange.objects.filter(name=OuterRef("name"), number=OuterRef("number") - 1)
        rows: QuerySet[FlagChange] = super().get_queryset(request)
        return rows.annotate(before=Subquery(before.values("document")[:1]))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the form, the flags of its moment, and the changes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = MomentForm(request.GET if "at" in request.GET else None)
        at = form.moment if form.is_bound else None
        flags = _flags(list_flags(at=at)) if at else None
        context = {"moment_form": form, "moment": moment(at) if at else None, "flags": flags}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description="change", ordering="id")
    def numbered(self, change: FlagChange) -> SafeString:
        """Return a link to its page."""
        return registry_link("flagchange", change.pk, f"change {change.number}")

    @admin.display(description="what it changed")
    def changes(self, change: FlagChange) -> SafeString | str:
        """Return the fields that differ from the change before it."""
        return flag_diff(getattr(change, "before", None), change.document)

    @admin.display(description="in force since")
    def since(self, change: FlagChange) -> SafeString:
        """Return when it was made."""
        return aged(change.at)

    @admin.display(description="document")
    def whole(self, change: FlagChange) -> SafeString | str:
        """Return the whole document."""
        return "the flag was removed" if change.document is None else bounded_text(pretty(change.document))


def _flags(flags: list[FlagView]) -> SafeString | str:
    rows = [
        (
            flag.name,
            flag.number,
            on_for(flag.document),
            flag.expires_at,
            flag.actor,
            flag.reason or NONE,
            flag.at,
        )
        for flag in flags
    ]
    headers = ("flag", "change", "on for", "to be removed", "who", "why", "when")
    return table(headers, rows) if rows else "No flag was in force then."
