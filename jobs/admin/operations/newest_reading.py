"""Stand-in."""

from __future__ import annotations

from jobs.core.operations.operations_history import History, Span
from jobs.core.operations.operations_reading import Reading


def newest_reading() -> Reading | None:
    """Return the newest reading; None where there is none yet."""
    return None


def read_history(span: Span, model: str) -> History | None:
    """Return a history."""
    return None
