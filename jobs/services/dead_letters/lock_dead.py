"""Lock many dead jobs at once whose dead letters are still open."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jobs.core.states import State
from jobs.db.statement import Statement, execute

_PATIENCE = Statement("SELECT set_config('lock_timeout', '5s', true)", str)
# In the order of ids, as all statements lock jobs, so that no two of them wait for each other.
_LOCK = Statement(
    """
SELECT id FROM jobs_job WHERE id = ANY(%(jobs)s) AND state = %(dead)s ORDER BY id FOR UPDATE
""",
    UUID,
)
# A second statement, because the snapshot of the first is older than the locks that it waited for.
_OPEN = Statement(
    """
SELECT job_id FROM jobs_deadletter WHERE job_id = ANY(%(jobs)s) AND discarded_at IS NULL ORDER BY job_id
""",
    UUID,
)


def lock_dead(jobs: Sequence[UUID]) -> list[UUID]:
    """Lock and return, in order, those of `jobs` that are dead and not discarded. Requires a transaction."""
    execute(_PATIENCE)
    locked = execute(_LOCK, {"jobs": list(jobs), "dead": State.DEAD.value})
    return execute(_OPEN, {"jobs": locked})
