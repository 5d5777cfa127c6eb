"""The forms of the dead letters' pages: which letters, how many, and at what rate.

A value that cannot be used is an error, not a filter left out: what matches must not grow by a typing error.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from jobs.core.failures import FailureKind
from jobs.services.dead_letters.reads import LetterFilter
from jobs.services.dead_letters.replay_many import now
from models_registry.selectors import known_queues

FILTERS = ("model", "kind", "fingerprint", "since", "until")
MOST_JOBS = 100_000
DEFAULT_JOBS = 10_000
SLOWEST_PER_S, FASTEST_PER_S = 0.001, 100_000.0


def _models() -> list[tuple[str, str]]:
    return [("", "any"), *((name, name) for name in known_queues())]


def _kinds() -> list[tuple[str, str]]:
    return [("", "any"), *((kind.value, kind.value) for kind in FailureKind)]


def _moment(label: str) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
    return forms.DateTimeField(required=False, label=label, widget=widget)


class FilterForm(forms.Form):
    """Which letters, as a query string has it."""

    model = forms.ChoiceField(required=False, choices=_models)
    kind = forms.ChoiceField(required=False, choices=_kinds)
    fingerprint = forms.CharField(required=False, max_length=255)
    since = _moment("Died since (UTC)")
    until = _moment("Died until (UTC)")

    def wanted(self) -> LetterFilter:
        """Return what a valid form asks for."""
        return LetterFilter(**{name: self.cleaned_data[name] or None for name in FILTERS})


class _JobsField(forms.Field):
    widget = hidden_widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[UUID] | None:
        """Return the ids that were picked; None where none was."""
        try:
            return [UUID(text) for text in value or ()] or None
        except ValueError:
            raise ValidationError("A job's id is a UUID.") from None


class ManyForm(FilterForm):
    """Which letters, picked or by a filter, how many of them at most, and how fast.

    Where `until` is missing it is set to now: what dies while somebody reads the page is not meant.
    """

    job = _JobsField(required=False)
    rate = forms.FloatField(
        required=False, min_value=SLOWEST_PER_S, max_value=FASTEST_PER_S, label="Jobs a second",
        help_text="Empty: all are due at once.",
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": "at once"}),
    )  # fmt: skip
    limit = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_JOBS, label="At most",
        help_text=f"Jobs, the oldest first; {DEFAULT_JOBS:,} where empty.",
    )  # fmt: skip

    def __init__(self, data: QueryDict) -> None:
        told = data.copy()
        if not told.get("until"):
            told["until"] = now().isoformat()
        super().__init__(told)

    def wanted(self) -> LetterFilter:
        """Return what a valid form asks for."""
        told = {name: self.cleaned_data[name] or None for name in FILTERS}
        return LetterFilter(**told, jobs=self.cleaned_data["job"])

    @property
    def rate_per_s(self) -> float | None:
        """Return how many jobs a second become due; None is all at once."""
        return self.cleaned_data["rate"] or None

    @property
    def most(self) -> int:
        """Return how many letters at most."""
        return self.cleaned_data["limit"] or DEFAULT_JOBS
