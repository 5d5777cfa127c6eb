"""Base of read-only admin pages: services and commands change rows, never an admin form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest

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
