"""The one place that reads what clients said of a cascade's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from jobs.core.trials.label_counts import label_of
from jobs.db.statement import Statement, fetch_all

RIGHT_LABEL = "label"  # the name of feedback that says which label would have been right


class _Said(NamedTuple):
    job: UUID
    value: float | None
    label: str | None


_SAID = Statement(
    """
SELECT job_id AS job, value, label FROM jobs_feedback
WHERE job_id = ANY(%(jobs)s::uuid[]) AND name = %(name)s
""",
    _Said,
)


def feedback_labels(jobs: Sequence[UUID]) -> Mapping[UUID, str]:
    """Return the right labels that clients gave for jobs, as feedback of the name RIGHT_LABEL."""
    said = fetch_all(_SAID, {"jobs": list(jobs), "name": RIGHT_LABEL})
    return {row.job: label for row in said if (label := _text(row)) is not None}


def _text(row: _Said) -> str | None:
    """Return a label as one of an output is written: of a whole number without a fraction."""
    return row.label if row.value is None else label_of(row.value) or repr(row.value)
