"""Dead letters, published until the broker confirms them; no lock outlives a statement.

A dead letter is due as soon as its row exists, however the job died. Taking it moves `due` ahead by a
visibility time, so that a dead letter without a confirm is published again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, LiteralString

import sqlalchemy as sa

from jobs.core.messages.dead_letter_pointer import DeadLetterMessage
from jobs.core.relay.publish_policy import VISIBILITY_CAP_S, VISIBILITY_S
from jobs.db.leases import HELD, fence_of
from jobs.db.statement import Statement, count, run

_TAKE = Statement(
    f"""
WITH chosen AS (
  SELECT job_id FROM jobs_deadletter WHERE queue = %(queue)s AND due <= now() AND {HELD}
  ORDER BY due LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_deadletter AS letter
SET published = letter.published + 1, due = now() + make_interval(secs => LEAST(
    %(cap_s)s::float8, %(base_s)s::float8 * power(2, LEAST(letter.published, 16))))
FROM chosen WHERE letter.job_id = chosen.job_id
RETURNING letter.job_id AS job, letter.epoch, letter.kind, letter.code, letter.fingerprint
""",  # noqa: S608  # built from constants
    DeadLetterMessage,
)

_THESE: LiteralString = f"""
WITH these AS (
  SELECT letter.job_id
  FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[]) AS given(job_id, epoch)
  JOIN jobs_deadletter AS letter USING (job_id, epoch)
  WHERE letter.due IS NOT NULL AND {HELD} FOR UPDATE OF letter SKIP LOCKED
)
"""  # noqa: S608
_CONFIRM: Statement[None] = Statement(f"""{_THESE}
UPDATE jobs_deadletter AS letter SET due = NULL, published_at = now()
FROM these WHERE letter.job_id = these.job_id
""")  # noqa: S608  # built from a constant of this file
_POSTPONE: Statement[None] = Statement(f"""{_THESE}
UPDATE jobs_deadletter AS letter SET due = now() + make_interval(secs => %(delay_s)s::float8)
FROM these WHERE letter.job_id = these.job_id
""")  # noqa: S608

_RECALL: Statement[None] = Statement(f"""
WITH lost AS (
  SELECT job_id FROM jobs_deadletter
  WHERE queue = %(queue)s AND due IS NULL AND discarded_at IS NULL AND {HELD}
  LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_deadletter AS letter SET due = now(), published_at = NULL
FROM lost WHERE letter.job_id = lost.job_id
""")  # noqa: S608


def take_due(session: sa.Connection, queue: str, *, most: int) -> list[DeadLetterMessage]:
    """Take dead letters that are due; each is due again when its visibility time is over."""
    values = {"queue": queue, "most": most, "base_s": VISIBILITY_S, "cap_s": VISIBILITY_CAP_S}
    return run(session, _TAKE, {**values, **fence_of(session)})


def confirm(session: sa.Connection, dead_letters: Collection[DeadLetterMessage]) -> None:
    """Record that the broker has these dead letters, except those replayed or discarded meanwhile."""
    run(session, _CONFIRM, {**_keys(dead_letters), **fence_of(session)})


def postpone(session: sa.Connection, dead_letters: Collection[DeadLetterMessage], *, delay_s: float) -> None:
    """Make dead letters that the broker does not have due in `delay_s` seconds."""
    run(session, _POSTPONE, {**_keys(dead_letters), "delay_s": delay_s, **fence_of(session)})


def recall(session: sa.Connection, queue: str, *, most: int) -> int:
    """Make up to `most` confirmed dead letters due now, because the broker lost them; return how many."""
    return count(session, _RECALL, {"queue": queue, "most": most, **fence_of(session)})


def _keys(dead_letters: Collection[DeadLetterMessage]) -> dict[str, Any]:
    return {
        "jobs": [dead_letter.job for dead_letter in dead_letters],
        "epochs": [dead_letter.epoch for dead_letter in dead_letters],
    }
