"""Base of read-only admin pages: services and commands change rows, never an admin form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst

from models_registry.shared.admin_columns import shown_columns

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """A model's list and detail pages without a form; a detail page shows `fields`, which may be methods."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 100
    refresh_s = 5  # so often a page that is looked at reads itself again

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with times and JSON in our style."""
        return shown_columns(self.model, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the page's lines, with times and JSON in our style."""
        return shown_columns(self.model, super().get_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the lines without a form, with times and JSON in our style."""
        return shown_columns(self.model, super().get_readonly_fields(request, obj))

    def is_live(self, obj: Any) -> bool:  # noqa: ARG002  # for those that override it
        """Return whether a row's page changes by itself, so that it has to be read again."""
        return False

    def title_of(self, obj: Any) -> str:  # noqa: ARG002  # for those that override it
        """Return the title of a row's page."""
        return str(capfirst(self.opts.verbose_name))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list; the first page of it is kept up to date."""
        every_s = 0 if PAGE_VAR in request.GET else self.refresh_s
        return super().changelist_view(
            request,
            {"refresh_s": every_s, "title": capfirst(self.opts.verbose_name_plural)} | (extra_context or {}),
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show a row; its page is kept up to date while the row lives."""
        if kwargs.get("obj") is not None and self.is_live(kwargs["obj"]):
            context["refresh_s"] = self.refresh_s
        if not self.has_change_permission(request, kwargs.get("obj")):
            context["title"] = self.title_of(kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return whether this user may view; unlike in Django, the right to change does not imply it."""
        codename = get_permission_codename("view", self.opts)
        return bool(request.user.has_perm(f"{self.opts.app_label}.{codename}"))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        """Return whether a filter of the page reads it.

        Django takes a query on any column of the page's own table, so that who may see the list can find out
        by guesses what no page shows: messages, tracebacks, details of events.
        """
        return any(lookup in _lookups(of) for of in self.get_list_filter(request))

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        """Return False: services and commands add rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return False: services and commands change rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return False: services and commands delete rows."""
        return False


def _lookups(list_filter: Any) -> set[str]:
    """Return the parameters that one entry of `list_filter` reads from the query string."""
    if not isinstance(list_filter, str):
        return {list_filter.parameter_name}
    return {list_filter, *(f"{list_filter}__{end}" for end in ("exact", "id__exact", "isnull"))}
