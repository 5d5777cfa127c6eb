"""The filters' menus; most change no query themselves, because one place reads their choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from jobs.admin.job_search import ANY_TIME, DEFAULT_WINDOW, WINDOWS_S, JobSearch
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.states import State
from jobs.models import Client
from models_registry.models import RegisteredModel

MENU_LENGTH = 200  # of a menu read from a table
_TITLES = {"1h": "Past hour", "24h": "Past 24 hours", "7d": "Past 7 days", "30d": "Past 30 days"}


class MenuFilter(admin.SimpleListFilter):
    """A menu whose choice the admin's `listed` reads from the query string."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the rows unchanged."""
        return queryset


class ColumnFilter(admin.SimpleListFilter):
    """A menu whose choice is one column's value."""

    column: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the rows with the chosen value."""
        if self.value() is None:
            return queryset
        try:
            return queryset.filter(**{self.column: self.value()})
        except (ValueError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from None  # Django shows the list without filters


class StateMenu(MenuFilter):
    """Every state."""

    title, parameter_name = "state", "state"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the states in the order of a job's life."""
        return [(state.value, state.value) for state in State]


class ModelMenu(MenuFilter):
    """The registered models."""

    title, parameter_name = "model", "model"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the models by name."""
        return model_names()


class PriorityMenu(MenuFilter):
    """The ten priorities."""

    title, parameter_name = "priority", "priority"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the priorities, highest first."""
        return [(str(value), str(value)) for value in range(HIGHEST, LOWEST - 1, -1)]


class ClientMenu(MenuFilter):
    """The clients."""

    title, parameter_name = "client", "client"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the clients by name."""
        clients = Client.objects.order_by("name").only("name")[:MENU_LENGTH]
        return [(str(client.pk), client.name) for client in clients]


class WhenMenu(MenuFilter):
    """How far back to look; the default is as far as stays quick with the other filters."""

    title, parameter_name = "date", "when"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the time windows."""
        return [(key, _TITLES[key]) for key in WINDOWS_S] + [(ANY_TIME, "Any time")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the time windows, with the current one marked."""
        query = {key: str(value) for key, value in changelist.params.items()}
        default = DEFAULT_WINDOW if JobSearch.from_query({**query, "when": ""}).since_s else ANY_TIME
        chosen = self.value() or default
        for value, title in self.lookup_choices:
            link = changelist.get_query_string({"when": value})
            yield {"selected": value == chosen, "query_string": link, "display": title}


class ModelNameFilter(ColumnFilter):
    """Rows by the name of their model."""

    title, parameter_name, column = "model", "model", "model"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the models by name."""
        return model_names()


def model_names() -> list[tuple[str, str]]:
    """Return a menu of the models by name."""
    names = RegisteredModel.objects.order_by("name").values_list("name", flat=True)
    return [(name, name) for name in names[:MENU_LENGTH]]
