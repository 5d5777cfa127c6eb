"""Confusion by label, and which labels a version exchanges. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from jobs.core.trials.trial_specs import MOST_LABEL_CHARS

MOST_LABELS = 100
OTHER = "other"
LEAST_MOVED = 0.5  # of the jobs of a label


class Exchanged(NamedTuple):
    """Two labels that a version gives one for the other, each with the jobs that moved and all of its."""

    first: str
    second: str
    moved_first: int
    of_first: int
    moved_second: int
    of_second: int

    def __str__(self) -> str:
        return (
            f"The labels {self.first} and {self.second} are exchanged: {self.moved_first} of {self.of_first}"
            f" jobs of {self.first} are answered {self.second}, and {self.moved_second} of {self.of_second}"
            f" of {self.second} are answered {self.first}."
        )


class LabelCounts(Struct):
    """How often each label was answered by each, by the label that counts as the right one.

    Beyond a number of labels, all further ones count as one: then it is probably no label.
    """

    counts: dict[str, dict[str, int]] = {}
    without: int = 0  # outputs without a label

    def add(self, right: str | None, answered: str | None, number: int = 1) -> None:
        """Count one job, or `number` that are alike."""
        if right is None or answered is None:
            self.without += number
            return
        right, answered = self._known(right), self._known(answered)
        row = self.counts.setdefault(right, {})
        row[answered] = row.get(answered, 0) + number

    @property
    def labels(self) -> list[str]:
        """Return all labels, numbers in their order, then texts in theirs."""
        return sorted({*self.counts, *(label for row in self.counts.values() for label in row)}, key=_order)

    @property
    def total(self) -> int:
        """Return how many jobs were counted."""
        return sum(sum(row.values()) for row in self.counts.values())

    @property
    def equal(self) -> int:
        """Return how many of them were answered with the right label."""
        return sum(row.get(label, 0) for label, row in self.counts.items())

    def exchanged(self) -> list[Exchanged]:
        """Return the pairs of labels of which most jobs are answered with the other one."""
        labels = self.labels
        pairs = [(a, b) for at, a in enumerate(labels) for b in labels[at + 1 :]]
        return [
            Exchanged(a, b, self._of(a, b), self._all(a), self._of(b, a), self._all(b))
            for a, b in pairs
            if self._moves(a, b) and self._moves(b, a)
        ]

    def named(self, names: dict[str, str]) -> LabelCounts:
        """Return the same with other names of labels."""
        counts = {
            names[right]: {names[answered]: number for answered, number in row.items()}
            for right, row in self.counts.items()
        }
        return LabelCounts(counts, self.without)

    def document(self) -> dict[str, Any]:
        """Return the matrix for a report: a row for each right label, in the order of `labels`."""
        labels = self.labels
        rows = [[self._of(right, answered) for answered in labels] for right in labels]
        return {"labels": labels, "rows": rows, "without": self.without}

    def _moves(self, right: str, answered: str) -> bool:
        return self._of(right, answered) > LEAST_MOVED * self._all(right)

    def _of(self, right: str, answered: str) -> int:
        return self.counts.get(right, {}).get(answered, 0)

    def _all(self, right: str) -> int:
        return sum(self.counts.get(right, {}).values())

    def _known(self, label: str) -> str:
        labels = self.labels
        return label if label in labels or len(labels) < MOST_LABELS else OTHER


def label_of(part: Any) -> str | None:
    """Return the label that a part of an output is; None for what cannot be one."""
    if isinstance(part, bool):
        return "true" if part else "false"
    if isinstance(part, int):
        return str(part)
    if isinstance(part, float) and part.is_integer():
        return str(int(part))
    if isinstance(part, str) and 0 < len(part) <= MOST_LABEL_CHARS:
        return part
    return None


def numbered(labels: list[str]) -> dict[str, str]:
    """Return a name for each label that says nothing of it."""
    return {label: f"label {at}" for at, label in enumerate(labels, start=1)}


def _order(label: str) -> tuple[bool, int, str]:
    number = label.removeprefix("-")
    is_text = not (number.isascii() and number.isdecimal())
    return is_text, 0 if is_text else int(label), label
