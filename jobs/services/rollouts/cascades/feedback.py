"""The one place that reads what clients said of a cascade's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID


def feedback_labels(jobs: Sequence[UUID]) -> Mapping[UUID, str]:
    """Return the right labels that clients gave for jobs; none where no client may give any."""
    del jobs
    return {}
