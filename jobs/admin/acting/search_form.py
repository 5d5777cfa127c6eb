"""The form above the list of jobs: error, version, times of creation, and a field of the metadata.

An unusable value is an error and no list, never an absent filter: acts on all that match read it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict

from jobs.admin.job_search import JobSearch
from jobs.core.errors import PlatformError
from jobs.core.failures import FailureKind
from jobs.core.submission.job_labels import MOST_CHARS
from models_registry.core.version import VersionInfo
from models_registry.models import ModelVersion
from models_registry.selectors import resolve

FORM_PARAMS = ("kind", "code", "version", "since", "until", "label", "value")
MOST_LABELS = 500
_OF_THE_LIST = (PAGE_VAR, ORDER_VAR, ERROR_FLAG, "_facets", "_changelist_filters")


def _kinds() -> list[tuple[str, str]]:
    return [("", "any"), *((kind.value, kind.value) for kind in FailureKind)]


def indexed_fields() -> list[tuple[str, str]]:
    """Return (`model:field`, text) of each field of metadata by which some model's jobs are found."""
    rows = ModelVersion.objects.filter(options__has_key="metadata_index").order_by("model__name")
    pairs = rows.values_list("model__name", "options__metadata_index")[:MOST_LABELS]
    named = dict.fromkeys((model, field) for model, fields in pairs for field in fields or ())
    return [(f"{model}:{field}", f"{field} ({model})") for model, field in named]


def _labels() -> list[tuple[str, str]]:
    return [("", "none"), *indexed_fields()]


def _moment(label: str) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
    return forms.DateTimeField(required=False, label=label, widget=widget)


class SearchForm(forms.Form):
    """What narrows the list of jobs beside the menus."""

    kind = forms.ChoiceField(required=False, choices=_kinds, label="Error's kind")
    code = forms.CharField(required=False, max_length=63, label="Error's code")
    version = forms.CharField(required=False, max_length=128, label="Version, as model:version")
    since = _moment("Created since (UTC)")
    until = _moment("Created before (UTC)")
    label = forms.ChoiceField(required=False, choices=_labels, label="Metadata")
    value = forms.CharField(required=False, max_length=MOST_CHARS, label="has the value", strip=False)

    def __init__(self, data: QueryDict | dict[str, Any]) -> None:
        super().__init__(data)
        if len(_labels()) == 1:  # no model names any field
            for name in ("label", "value"):
                self.fields[name].widget = forms.HiddenInput()

    def clean_version(self) -> VersionInfo | None:
        """Return the version; None where none is named."""
        text = self.cleaned_data["version"].strip()
        if not text:
            return None
        try:
            return resolve(text)
        except PlatformError as error:
            raise ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        """Refuse times that select nothing, and half a pair of field and value."""
        cleaned: dict[str, Any] = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if isinstance(since, datetime) and isinstance(until, datetime) and since >= until:
            raise ValidationError("“Created since” must be before “Created before”.")
        if bool(cleaned.get("label")) != bool(cleaned.get("value")):
            raise ValidationError("Choose a field of the metadata and the value that it has.")
        return cleaned


def menus_are_usable(query: Mapping[str, str]) -> bool:
    """Return whether each menu's value in the query is one, and nothing else in it selects jobs.

    In a list such a value is no filter, and a search by id replaces all filters: an act would be for more
    jobs than the list shows.
    """
    search = JobSearch.from_query(query)
    read = {
        "state": search.state, "model": search.model, "priority": search.priority, "client": search.client,
        "when": search.window,
    }  # fmt: skip
    others = query.keys() - {*read, *FORM_PARAMS, *_OF_THE_LIST}
    return not any(query[name] for name in others) and all(
        str("" if value is None else value) == query.get(name, "") for name, value in read.items()
    )


def list_panel(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the part above the list of jobs."""
    kept = [(name, value) for name, value in request.GET.items() if name not in {*FORM_PARAMS, PAGE_VAR}]
    return {"search": SearchForm(request.GET), "kept": kept, "menus": urlencode(kept)}
