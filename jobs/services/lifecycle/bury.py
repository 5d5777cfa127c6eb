"""Dead letters are written with the death, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from jobs.db.tables import DEAD_LETTER

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
