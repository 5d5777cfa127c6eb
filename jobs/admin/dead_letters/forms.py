"""The forms of the dead letters' pages: which dead letters, how many, and at what rate.

An unusable value is an error and never an absent filter, so that a typing error cannot select more letters.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from jobs.core.acting.job_selection import JobSelection
from jobs.core.failures import FailureKind
from jobs.core.states import State
from jobs.services.dead_letters.reads import DeadLetterFilter
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
    """A selection of dead letters, from a query string."""

    model = forms.ChoiceField(required=False, choices=_models)
    kind = forms.ChoiceField(required=False, choices=_kinds)
    fingerprint = forms.CharField(required=False, max_length=255)
    since = _moment("Died since (UTC)")
    until = _moment("Died until (UTC)")

    def selection(self) -> DeadLetterFilter:
        """Return the selection of a valid form."""
        return DeadLetterFilter(**{name: self.cleaned_data[name] or None for name in FILTERS})


class _JobsField(forms.Field):
    widget = hidden_widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[UUID] | None:
        """Return the picked ids; None where none was picked."""
        try:
            return [UUID(text) for text in value or ()] or None
        except ValueError:
            raise ValidationError("A job's id is a UUID.") from None


class ManyForm(FilterForm):
    """Which dead letters, picked or by a filter, how many of them at most, and how fast.

    A missing `until` becomes now, so that jobs which die while a person reads the page are not selected.
    """

    job = _JobsField(required=False)
    rate = forms.FloatField(
        required=False, min_value=SLOWEST_PER_S, max_value=FASTEST_PER_S, label="Jobs a second",
        help_text="If empty, all are due at once.",
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": "at once"}),
    )  # fmt: skip
    limit = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_JOBS, label="At most",
        help_text=f"Jobs, oldest first; {DEFAULT_JOBS:,} if empty.",
    )  # fmt: skip

    at_once = forms.BooleanField(
        required=False, label="Without a first job",
        help_text="Queue all of them now, and not one of each group first and the others once it succeeds.",
    )  # fmt: skip

    def __init__(self, data: QueryDict) -> None:
        fields = data.copy()
        if not fields.get("until"):
            fields["until"] = now().isoformat()
        super().__init__(fields)

    def selection(self) -> DeadLetterFilter:
        """Return the selection of a valid form."""
        filters = {name: self.cleaned_data[name] or None for name in FILTERS}
        return DeadLetterFilter(**filters, jobs=self.cleaned_data["job"])

    @property
    def rate_per_s(self) -> float | None:
        """Return how many jobs a second become due; None is all at once."""
        return self.cleaned_data["rate"] or None

    @property
    def most(self) -> int:
        """Return how many dead letters at most."""
        return self.cleaned_data["limit"] or DEFAULT_JOBS


def letters_selected(query: QueryDict) -> JobSelection | None:
    """Return the selection of the list of dead letters' query; None where it is unusable."""
    form = FilterForm(query)
    others = [value for name, value in query.items() if name not in FILTERS]
    if any(others) or not form.is_valid():
        return None
    chosen = form.selection()
    return JobSelection(
        state=State.DEAD, model=chosen.model, kind=chosen.kind, fingerprint=chosen.fingerprint,
        died_since=chosen.since, died_until=chosen.until,
    )  # fmt: skip
