"""Marks that a process leaves when it has done its work: a file each, whose time `manage.py health` reads.

The worker that consumes and the beat that sends leave them, because only they know it. What a relay and a GPU
worker write into Postgres says the same of them.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from django.conf import settings

BEAT = "beat"
CONSUMED_EVERY_S, CONSUMED_LATELY_S = 5.0, 20.0
SENT_LATELY_S = 150.0  # beat sends at least one task a minute


def leave(name: str) -> None:
    """Note that the process `name` has done its work just now."""
    path = _folder() / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch()


def age_s(name: str) -> float | None:
    """Return how many seconds ago the process `name` left its mark; None where it never did."""
    try:
        left_at = (_folder() / name).stat().st_mtime
    except FileNotFoundError:
        return None
    return max(time.time() - left_at, 0.0)


def _folder() -> Path:
    own = Path(tempfile.gettempdir()) / f"inference-health-{os.getuid()}"
    return Path(settings.INFERENCE.health_dir or own)
