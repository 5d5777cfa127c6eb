"""A shadow's rows as work: which shadows run, copies taken by a worker, and what came of them.

A worker has a hand while it runs copies, and until they are counted. A worker that stops in order empties it;
where one ends otherwise, the hand stays and its shadow is stopped, because a copy may be what ended it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.ids import first_id_at
from jobs.core.queue_names import queues_of
from jobs.core.shadow.shadow_counts import ShadowCounts
from jobs.db import database_clock
from jobs.db.session import transaction
from jobs.db.statement import Statement, run

OLDEST_S = 600.0  # older copies are dropped: a shadow is about what comes in now
MOST_OPEN = 10_000  # copies of a shadow that wait: with more, new jobs are not copied


class RunningShadow(NamedTuple):
    """A shadow whose copies may run; versions are row ids, `batch_s` is for both versions' runs together.

    `time_share` is the part of the worker's time in which they may.
    """

    rule: int
    model: str
    stable: int
    version: int
    batch_s: float
    time_share: float
    counts: dict[str, Any]


_RUNNING = Statement(
    """
SELECT rule, model, stable_id AS stable, version_id AS version, batch_s, time_share, counts
FROM jobs_shadow
WHERE state = 'running' AND model = ANY(%(models)s::text[]) ORDER BY rule
""",
    RunningShadow,
)
# What is published waits in the broker or at a worker; a retry that is due later waits for nothing. It is
# looked at only where a copy waits: behind a snapshot that is long open this reads many dead entries.
_NOTHING_WAITS: LiteralString = """
NOT EXISTS (SELECT FROM jobs_outbox WHERE queue = ANY(%(queues)s::text[]) AND published > 0)
  AND NOT EXISTS (
    SELECT FROM jobs_outbox WHERE queue = ANY(%(queues)s::text[]) AND published = 0 AND due <= now())
"""
_TAKE = Statement(
    f"""
WITH waiting AS MATERIALIZED (
  SELECT job_id FROM jobs_shadowcopy WHERE rule = %(rule)s AND job_id >= %(oldest)s
  ORDER BY job_id LIMIT %(most)s
), open AS (
  SELECT job_id FROM jobs_shadowcopy WHERE job_id = ANY(ARRAY(SELECT job_id FROM waiting))
    AND CASE WHEN EXISTS (SELECT FROM waiting) THEN
      EXISTS (SELECT FROM jobs_shadow WHERE rule = %(rule)s AND state = 'running') AND {_NOTHING_WAITS}
    ELSE false END
  ORDER BY job_id FOR UPDATE SKIP LOCKED
), taken AS (
  DELETE FROM jobs_shadowcopy AS copy USING open WHERE copy.job_id = open.job_id RETURNING copy.job_id
), hand AS (
  INSERT INTO jobs_shadowhand AS hand (worker, rule, size)
  SELECT %(worker)s, %(rule)s, count(*) FROM taken HAVING count(*) > 0
  ON CONFLICT (worker) DO UPDATE SET size = hand.size + excluded.size
)
SELECT job_id FROM taken ORDER BY job_id
""",  # noqa: S608  # built from our own constants
    UUID,
)
_PUT_DOWN = Statement("DELETE FROM jobs_shadowhand WHERE worker = %(worker)s RETURNING size", int)
_COUNTS = Statement("SELECT counts FROM jobs_shadow WHERE rule = %(rule)s FOR UPDATE", dict)
_COUNT: Statement[None] = Statement("""
UPDATE jobs_shadow SET counts = %(counts)s::jsonb, run = run + %(size)s, lost = lost + %(lost)s,
  ran_at = now()
WHERE rule = %(rule)s
""")
_NOTE: Statement[None] = Statement("UPDATE jobs_shadow SET counts = %(counts)s::jsonb WHERE rule = %(rule)s")
_RELEASE: Statement[None] = Statement("""
WITH hand AS (DELETE FROM jobs_shadowhand WHERE worker = %(worker)s RETURNING rule, size)
UPDATE jobs_shadow SET lost = lost + hand.size FROM hand WHERE jobs_shadow.rule = hand.rule
""")
STOP = Statement(
    """
UPDATE jobs_shadow SET state = 'stopped', takes = false, reason = %(reason)s, actor = %(actor)s,
  changed_at = now()
WHERE rule = %(rule)s AND state = 'running' RETURNING model
""",
    str,
)


def running(session: sa.Connection, models: Collection[str]) -> list[RunningShadow]:
    """Return the shadows of these models whose copies may run."""
    return run(session, _RUNNING, {"models": sorted(models)})


def take(
    session: sa.Connection, shadow: RunningShadow, *, worker: UUID, models: Collection[str], most: int
) -> list[UUID]:
    """Take up to `most` copies, oldest first, and return their jobs; none while a job of `models` waits.

    A job of a model's slow lane counts as well, also at a worker that takes none of these.
    """
    oldest = first_id_at(database_clock.now_ms() - int(OLDEST_S * 1_000))
    queues = [queue for model in sorted(models) for queue in queues_of(model)]
    names = {"rule": shadow.rule, "queues": queues, "worker": worker}
    return run(session, _TAKE, {**names, "oldest": oldest, "most": most})


def count(session: sa.Connection, rule: int, worker: UUID, more: ShadowCounts, *, lost: int) -> bool:
    """Add what a worker's copies have shown, and empty its hand; False where they were given up meanwhile.

    `lost` copies of the hand have not run.
    """
    with transaction(session):
        # The shadow's row first, as the keeper locks them.
        rows = run(session, _COUNTS, {"rule": rule})
        sizes = run(session, _PUT_DOWN, {"worker": worker})
        if not rows or not sizes:
            return False
        counts = ShadowCounts.of(rows[0]).plus(more)
        names = {"rule": rule, "counts": json.dumps(counts.document)}
        run(session, _COUNT, {**names, "size": sizes[0] - lost, "lost": lost})
    return True


def note_too_long(session: sa.Connection, rule: int, seconds: float | None) -> None:
    """Store how long one copy takes where that is more than the rule allows; None where it is not."""
    with transaction(session):
        for row in run(session, _COUNTS, {"rule": rule}):
            counts = ShadowCounts.of(row)
            counts.too_long_s = seconds
            run(session, _NOTE, {"rule": rule, "counts": json.dumps(counts.document)})


def release(session: sa.Connection, worker: UUID) -> None:
    """Empty the hand of a worker that stops in order; its copies are not run again."""
    run(session, _RELEASE, {"worker": worker})


def stop(session: sa.Connection, rule: int, *, actor: str, reason: str) -> str | None:
    """Stop a shadow and return its model; None where it does not run. Requires a transaction."""
    return next(iter(run(session, STOP, {"rule": rule, "actor": actor, "reason": reason})), None)
