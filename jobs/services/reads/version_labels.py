"""The names of versions as metrics label them: `minilm:1`, of a row's id.

Not the id: it says nothing to people, and differs from database to database.
"""

from __future__ import annotations

from contextlib import suppress

from django.db import Error as DjangoDatabaseError
from django.db import connection

from models_registry import selectors
from models_registry.shared.platform_errors import PlatformError

UNKNOWN = "unknown"
_labels: dict[int, str] = {}  # a version never changes


def version_label(version_id: int) -> str:
    """Return the label of a version; UNKNOWN where it was deleted, or cannot be read now."""
    if version_id not in _labels:
        with suppress(PlatformError, DjangoDatabaseError):
            _labels[version_id] = str(selectors.info(version_id))
        if not connection.in_atomic_block:
            connection.close()  # Django closes no connection of a thread of ours
    return _labels.get(version_id, UNKNOWN)


def forget_labels() -> None:
    """Read each label again; for tests, whose database gives an id twice."""
    _labels.clear()
