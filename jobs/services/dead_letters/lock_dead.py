"""Lock dead jobs whose letters are still open, for those that change many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from jobs.core.states import State
from jobs.db.positional import execute

_PATIENCE: LiteralString = "SELECT set_config('lock_timeout', '5s', true)"
# In id order, as everybody locks jobs.
_LOCK: LiteralString = """
SELECT id FROM jobs_job WHERE id = ANY(%s) AND state = %s ORDER BY id FOR UPDATE
"""
# A statement of its own: the one that waited for the locks has an older snapshot.
_OPEN: LiteralString = """
SELECT job_id FROM jobs_deadletter WHERE job_id = ANY(%s) AND discarded_at IS NULL ORDER BY job_id
"""


def lock_dead(jobs: Sequence[UUID]) -> list[UUID]:
    """Lock and return, in order, those of `jobs` that are dead and not discarded. Requires a transaction."""
    execute(_PATIENCE)
    locked = [job for (job,) in execute(_LOCK, (list(jobs), State.DEAD.value))]
    return [job for (job,) in execute(_OPEN, (locked,))]
