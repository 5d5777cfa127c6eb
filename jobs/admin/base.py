"""Lists that stay quick: newest first, over a bounded number of rows, and without counting a table."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from models_registry.shared.admin_readonly import ReadOnlyAdmin

SCANNED_ROWS = 50_000

Rows = QuerySet[Any]


def newest(rows: Rows, limit: int = SCANNED_ROWS) -> tuple[Rows, bool]:
    """Return the `limit` newest of `rows` by primary key, and whether there are more than that.

    The bound is a key, not a LIMIT, so that the rows can be filtered further and read from the key's index.
    """
    beyond = list(rows.order_by("-pk").values_list("pk", flat=True)[limit : limit + 1])
    return (rows.filter(pk__gt=beyond[0]), True) if beyond else (rows, False)


class BoundedChangeList(ChangeList):
    """A page of the newest rows; it knows whether there is a next page, but not how many there are."""

    model_admin: BoundedAdmin
    cut = False

    def get_filters_params(self, params: Any = None) -> Any:
        """Return the parameters that Django's own filters read, without those of a form of ours."""
        query = super().get_filters_params(params)
        return {name: value for name, value in query.items() if name not in self.model_admin.form_params}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Rows:
        """Filter and search within the rows that the admin lists; a search by id covers the whole table."""
        if not self.query:
            self.root_queryset, self.cut = self.model_admin.listed(request)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: Rows) -> list[Any]:  # noqa: ARG002  # Django's signature
        """Return newest first, whatever the query string contains."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:  # noqa: ARG002  # Django's signature
        """Read one page and one row of the next."""
        self.page_num = max(self.page_num, 1)
        start = (self.page_num - 1) * self.list_per_page
        rows = list(self.queryset[start : start + self.list_per_page + 1])
        self.result_list = rows[: self.list_per_page]
        self.result_count = start + len(rows)
        self.has_next = len(rows) > self.list_per_page
        self.multi_page = self.has_next or self.page_num > 1
        self.full_result_count = self.result_count  # hides Django's line on totals
        self.show_full_result_count = self.can_show_all = False
        self.show_admin_actions = bool(rows)
        self.paginator = Paginator(range(self.result_count), self.list_per_page)

    @property
    def newer_link(self) -> str:
        """Return the query string of the page before this one."""
        return self.get_query_string({PAGE_VAR: self.page_num - 1})

    @property
    def older_link(self) -> str:
        """Return the query string of the page after this one."""
        return self.get_query_string({PAGE_VAR: self.page_num + 1})


class BoundedAdmin(ReadOnlyAdmin):
    """A read-only admin over a table of any size, searched by an exact UUID."""

    search_fields: ClassVar[tuple[str, ...]] = ("pk",)
    search_column = "pk"
    search_help_text = "A job's complete id, a UUID."
    ordering = ("-pk",)
    shown_related: tuple[str, ...] = ()
    form_params: tuple[str, ...] = ()  # which the admin's `listed` reads from the query string

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002  # Django's signature
        """Return the bounded list."""
        return BoundedChangeList

    def listed(self, request: HttpRequest) -> tuple[Rows, bool]:
        """Return the rows that a list may look at, and whether older ones exist."""
        return newest(self.get_queryset(request).prefetch_related(*self.shown_related))

    def get_search_results(self, request: HttpRequest, queryset: Rows, search_term: str) -> tuple[Rows, bool]:
        """Return the rows of exactly that UUID, whatever the filters; show a message where it is no UUID."""
        if not search_term.strip():
            return queryset, False
        key = _uuid(search_term)
        if key is None:
            self.message_user(request, f"“{search_term[:80]}” is not a complete UUID.", messages.WARNING)
            return queryset.none(), False
        rows = self.get_queryset(request).prefetch_related(*self.shown_related)
        return rows.filter(**{self.search_column: key}).order_by("-pk"), False


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def field_names(model: type[Model], *excluded: str) -> tuple[str, ...]:
    """Return the names of a model's columns without `excluded`."""
    names = (field.name for field in model._meta.concrete_fields)  # noqa: SLF001  # Django's documented API
    return tuple(name for name in names if name not in excluded)
