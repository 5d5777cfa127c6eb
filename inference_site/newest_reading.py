"""Hands the admin's pages the reading that the event loop sends to watchers: neither knows the other."""

from __future__ import annotations

from jobs.api.operations.latest_reading import latest
from jobs.api.operations.reading_of_rows import aged
from jobs.core.operations.operations_reading import Reading


def newest_reading() -> Reading | None:
    """Return the newest reading, after a moment's wait for a fresh one; None where none was ever made."""
    made = latest.get()
    return None if made is None else aged(made.reading, latest.age_of(made), 0)
