"""Flags in force: the list with expired ones marked, and a page for each with its history. Read-only."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from jobs.admin.flags import flag_cells as cells
from jobs.admin.flags.flag_pages import PUT, PUT_NEW, REMOVE, put_page, remove_page
from jobs.admin.rights import may_roll_out
from models_registry.models import Flag
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import bounded_text, pretty


class ExpiredFilter(admin.SimpleListFilter):
    """Flags by whether they are past their end."""

    title, parameter_name = "end", "expired"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return both."""
        return [("yes", "expired"), ("no", "not expired")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the chosen flags."""
        if self.value() == "yes":
            return queryset.filter(expires_at__lte=Now())
        return queryset.filter(expires_at__gt=Now()) if self.value() == "no" else queryset


@admin.register(Flag)
class FlagAdmin(ReadOnlyAdmin):
    """For which jobs something is on, and who decided it."""

    list_display = ("named", "on_for", "owner", "ends", "number", "actor", "reason", "since")
    list_display_links = None
    list_filter = (ExpiredFilter,)
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "on_for", "owner", "ends", "used_by", "actor", "reason", "since", "changes", "whole",
              "sha256")  # fmt: skip
    readonly_fields = ("on_for", "owner", "ends", "used_by", "since", "changes", "whole")
    change_list_template = "admin/jobs/flags/change_list.html"
    change_form_template = "admin/jobs/flags/flag.html"

    def get_urls(self) -> list[URLPattern]:
        """Return our pages before Django's own."""
        view = self.admin_site.admin_view
        return [
            path("new/", view(partial(put_page, admin=self)), name=PUT_NEW),
            path("<int:key>/put/", view(partial(put_page, admin=self)), name=PUT),
            path("<int:key>/remove/", view(partial(remove_page, admin=self)), name=REMOVE),
            *super().get_urls(),
        ]

    def title_of(self, obj: Flag) -> str:
        """Return the flag's name."""
        return f"Flag {obj.name}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list and, to whom may put one, the way to the form."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"can_put": may_roll_out(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show one flag, and what this user may do to it."""
        context["can_put"] = may_roll_out(request)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="flag", ordering="name")
    def named(self, flag: Flag) -> SafeString:
        """Return a link to its page."""
        return cells.flag_link(flag)

    @admin.display(description="on for")
    def on_for(self, flag: Flag) -> str:
        """Return for whom it is on."""
        return cells.on_for(flag.document)

    @admin.display(description="owner")
    def owner(self, flag: Flag) -> str:
        """Return who answers for it."""
        return str(flag.document["owner"])

    @admin.display(description="to be removed", ordering="expires_at")
    def ends(self, flag: Flag) -> SafeString:
        """Return its end."""
        return cells.ends(flag)

    @admin.display(description="used by")
    def used_by(self, flag: Flag) -> str:
        """Return what decides by it."""
        return cells.users_cell(flag)

    @admin.display(description="so since")
    def since(self, flag: Flag) -> SafeString:
        """Return when it was last changed."""
        return aged(flag.at)

    @admin.display(description="history")
    def changes(self, flag: Flag) -> SafeString:
        """Return its changes."""
        return cells.changes_cell(flag)

    @admin.display(description="document")
    def whole(self, flag: Flag) -> SafeString:
        """Return the whole document."""
        return bounded_text(pretty(flag.document))
