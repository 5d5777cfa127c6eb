"""What a backtest has counted so far; no part of an input or an output is in it but labels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from jobs.core.failures import Failure
from jobs.core.trials.label_counts import LabelCounts, label_of
from jobs.core.trials.outcome_pairs import OutcomePair, code_of
from jobs.core.trials.size_times import SizeTimes
from jobs.core.trials.trial_specs import BacktestSpec
from models_registry.core.agreement.agree import Compared, OwnComparison
from models_registry.core.agreement.pointers import part_at

MOST_SHOWN = 20  # of the largest differences
MOST_CODES = 50
OTHERS = "others"


class Skipped(Struct):
    """Jobs of the sample that were not run, by the reason."""

    cancelled: int = 0
    gone: int = 0  # the retention of their payloads is over, or they were erased
    unreadable: int = 0
    unknown: int = 0  # labelled jobs that are not among the model's ended ones


class Difference(NamedTuple):
    """A job whose outputs differ, and how far; None where no number says so."""

    job: UUID
    distance: float | None


class Comparison(NamedTuple):
    """How the jobs of a backtest are compared: its spec, the model's own function, the name of a label."""

    spec: BacktestSpec
    own: OwnComparison | None = None
    named: Callable[[str], str] = str  # of a guarded version it hides the label, also while it is counted


class BacktestCounts(Struct):
    """Counts of a backtest so far, with where in its sample it goes on."""

    done: int = 0  # jobs of the sample that were run or skipped
    last: UUID | None = None  # the last of them
    ran: int = 0
    skipped: Skipped = msgspec.field(default_factory=Skipped)
    candidate_failed: dict[str, int] = {}
    stable_failed: dict[str, int] = {}
    candidate_alone_failed: int = 0
    stable_alone_failed: int = 0
    compared: int = 0
    agreed: int = 0
    times: SizeTimes = msgspec.field(default_factory=SizeTimes)
    between: LabelCounts = msgspec.field(default_factory=LabelCounts)  # the stable's label counts as right
    candidate_labels: LabelCounts = msgspec.field(default_factory=LabelCounts)  # against true labels
    stable_labels: LabelCounts = msgspec.field(default_factory=LabelCounts)
    differences: Annotated[list[Difference], Meta(max_length=MOST_SHOWN)] = []

    def add(self, pair: OutcomePair, by: Comparison) -> None:
        """Count one job that was run."""
        self.ran += 1
        for outcome, failed in ((pair.candidate, self.candidate_failed), (pair.stable, self.stable_failed)):
            if isinstance(outcome, Failure):
                _count(failed, code_of(outcome, guarded=by.spec.guarded))
        self.candidate_alone_failed += pair.candidate_alone_failed
        self.stable_alone_failed += pair.stable_alone_failed
        if (compared := pair.compared(by.spec.agreement, by.own)) is not None:
            self._compare(pair.job, compared)
        if by.spec.agreement.by == "label":
            self._add_labels(pair, by)

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON that `of` reads back."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document

    @classmethod
    def of(cls, document: Any) -> BacktestCounts:
        """Read what was stored; nothing counted where that is empty."""
        return msgspec.convert(document or {}, cls)

    def _compare(self, job: UUID, compared: Compared) -> None:
        self.compared += 1
        self.agreed += compared.agrees
        if compared.distance > 0:
            far = compared.distance if isfinite(compared.distance) else None
            self.differences = largest_differences([*self.differences, Difference(job, far)])

    def _add_labels(self, pair: OutcomePair, by: Comparison) -> None:
        spec = by.spec
        labels = [label_of(part_at(value, spec.agreement.at)) for value in pair.outputs]
        ours, theirs = (None if label is None else by.named(label) for label in labels)
        if pair.stable is not None:
            self.between.add(theirs, ours)
        if spec.labels is not None:
            right = spec.labels.get(str(pair.job))
            self.candidate_labels.add(right, ours)
            if pair.stable is not None:
                self.stable_labels.add(right, theirs)


def largest_differences(differences: Sequence[Difference]) -> list[Difference]:
    """Return the largest of differences, in order, as many as are shown."""

    def key(difference: Difference) -> tuple[float, UUID]:
        return -(float("inf") if difference.distance is None else difference.distance), difference.job

    return sorted(differences, key=key)[:MOST_SHOWN]


def _count(by_code: dict[str, int], code: str) -> None:
    code = code if code in by_code or len(by_code) < MOST_CODES else OTHERS
    by_code[code] = by_code.get(code, 0) + 1
