"""Letters of dead jobs: written with the death, published until confirmed; no lock outlives a statement.

A letter is due from the moment its row is there, whichever way the job died. Taking it pushes `due` a
visibility time ahead, so that one without a confirm is published again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from jobs.core.feeding import VISIBILITY_CAP_S, VISIBILITY_S
from jobs.core.letter import Letter
from jobs.store.tables import DEAD_LETTER

MOST_ATTEMPTS = 20
MESSAGE_CHARS, TRACEBACK_CHARS = 2_000, 8_000

_QUEUE_OF_JOB = (
    sa.text("SELECT queue FROM jobs_job WHERE id = :of_job").columns(queue=sa.Text).scalar_subquery()
)
_BURY = sa.insert(DEAD_LETTER).values(queue=_QUEUE_OF_JOB)

# Sorted by time, not id: the primary key would be walked past everybody else's events.
_REMEMBER = sa.text("""
UPDATE jobs_deadletter AS letter SET history = past.attempts
FROM unnest(CAST(:jobs AS uuid[])) AS dead(id) CROSS JOIN LATERAL (
  SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'at', event.at, 'epoch', event.epoch, 'kind', event.detail->'kind', 'code', event.detail->'code',
    'message', event.detail->'message', 'attempt', event.detail->'attempt',
    'delay_s', event.detail->'delay_s', 'reason', event.detail->'reason',
    'batch', event.detail->'batch', 'worker', worker.node)) ORDER BY event.id) AS attempts
  FROM (
    SELECT * FROM jobs_event WHERE job_id = dead.id AND kind = 'failed' ORDER BY at DESC, id DESC LIMIT :most
  ) AS event
  LEFT JOIN jobs_batch batch ON batch.id = CAST(event.detail->>'batch' AS uuid)
  LEFT JOIN jobs_worker worker ON worker.id = batch.worker_id
) AS past
WHERE letter.job_id = dead.id AND past.attempts IS NOT NULL
""")

_TAKE = sa.text("""
WITH chosen AS (
  SELECT job_id FROM jobs_deadletter WHERE queue = :queue AND due <= now()
  ORDER BY due LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE jobs_deadletter AS letter
SET published = letter.published + 1, due = now() + make_interval(secs => LEAST(
    CAST(:cap_s AS double precision), :base_s * power(2, LEAST(letter.published, 16))))
FROM chosen WHERE letter.job_id = chosen.job_id
RETURNING letter.job_id, letter.epoch, letter.kind, letter.code, letter.fingerprint
""")

_OF_THESE = """
WITH these AS (
  SELECT letter.job_id
  FROM unnest(CAST(:jobs AS uuid[]), CAST(:epochs AS int[])) AS given(job_id, epoch)
  JOIN jobs_deadletter AS letter USING (job_id, epoch)
  WHERE letter.due IS NOT NULL FOR UPDATE OF letter SKIP LOCKED
)
"""
_CONFIRM = sa.text(f"""{_OF_THESE}
UPDATE jobs_deadletter AS letter SET due = NULL, published_at = now()
FROM these WHERE letter.job_id = these.job_id
""")  # noqa: S608  # built from a constant of this file
_POSTPONE = sa.text(f"""{_OF_THESE}
UPDATE jobs_deadletter AS letter SET due = now() + make_interval(secs => :delay_s)
FROM these WHERE letter.job_id = these.job_id
""")  # noqa: S608

_RECALL = sa.text("""
WITH lost AS (
  SELECT job_id FROM jobs_deadletter
  WHERE queue = :queue AND due IS NULL AND discarded_at IS NULL LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE jobs_deadletter AS letter SET due = now(), published_at = NULL
FROM lost WHERE letter.job_id = lost.job_id
""")


def bury(connection: sa.Connection, deaths: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of jobs that were just made dead, each with its attempts; their letters are due at once.

    Each death names its job_id, epoch, kind, code, message, traceback and fingerprint, and may name a reason.
    """
    connection.execute(_BURY, [_bounded(death) for death in deaths])
    remember(connection, [death["job_id"] for death in deaths])


def _bounded(death: Mapping[str, Any]) -> dict[str, Any]:
    text = {
        "message": death["message"][:MESSAGE_CHARS],
        "traceback": death["traceback"][-TRACEBACK_CHARS:],  # its end says more
    }
    return {"reason": "", **death, **text, "of_job": death["job_id"]}


def remember(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    """Keep the last failed attempts of jobs, from their events, in the rows that this transaction wrote."""
    connection.execute(_REMEMBER, {"jobs": list(jobs), "most": MOST_ATTEMPTS})


def take_due(connection: sa.Connection, queue: str, *, most: int) -> list[Letter]:
    """Take letters that are due; each is due again when its visibility time is over."""
    values = {"queue": queue, "most": most, "base_s": VISIBILITY_S, "cap_s": VISIBILITY_CAP_S}
    return [Letter(*row) for row in connection.execute(_TAKE, values)]


def confirm(connection: sa.Connection, letters: Collection[Letter]) -> None:
    """Note that the broker has these letters; those replayed or discarded meanwhile are passed over."""
    connection.execute(_CONFIRM, _keys(letters))


def postpone(connection: sa.Connection, letters: Collection[Letter], *, delay_s: float) -> None:
    """Make letters that the broker surely has not due in `delay_s` seconds."""
    connection.execute(_POSTPONE, {**_keys(letters), "delay_s": delay_s})


def recall(connection: sa.Connection, queue: str, *, most: int) -> int:
    """Make up to `most` confirmed letters due now, because the broker lost them; return how many."""
    return connection.execute(_RECALL, {"queue": queue, "most": most}).rowcount


def _keys(letters: Collection[Letter]) -> dict[str, Any]:
    return {"jobs": [letter.job for letter in letters], "epochs": [letter.epoch for letter in letters]}
