"""Marks that a process leaves when it has done its work: a file each, whose time `manage.py health` reads.

The worker that consumes and the beat that sends leave them, because only they know it. What a relay and a GPU
worker write into Postgres says the same of them.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import time
from pathlib import Path

from django.conf import settings

log = logging.getLogger(__name__)
BEAT, AUTOSCALE = "beat", "autoscale"
CONSUMED_EVERY_S, CONSUMED_LATELY_S = 5.0, 20.0
SCALED_LATELY_S = 20.0
SENT_LATELY_S = 150.0  # beat sends at least one task a minute


def leave(name: str) -> None:
    """Note that the process `name` has done its work just now; what prevents that stops no work."""
    folder = marks_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_ours(folder):
            (folder / name).touch()
            return
        reason = "it belongs to somebody else"
    except OSError as error:
        reason = str(error)
    log.warning("no mark of %s is left in %s: %s", name, folder, reason)


def age_s(name: str) -> float | None:
    """Return how many seconds ago the process `name` left its mark; None where it never did."""
    folder = marks_folder()
    try:
        left_at = (folder / name).stat().st_mtime if _is_ours(folder) else None
    except (FileNotFoundError, PermissionError):
        return None
    return None if left_at is None else max(time.time() - left_at, 0.0)


def _is_ours(folder: Path) -> bool:
    """Return whether no other user made the folder, who could leave marks or keep them out.

    One that HEALTH_DIR names is whoever's it is.
    """
    if settings.INFERENCE.health_dir:
        return True
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def marks_folder() -> Path:
    """Return the folder of the marks; it is this user's unless HEALTH_DIR names one."""
    own = Path(tempfile.gettempdir()) / f"inference-health-{os.getuid()}"
    return Path(settings.INFERENCE.health_dir or own)
