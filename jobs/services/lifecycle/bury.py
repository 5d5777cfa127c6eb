"""Bury: a dead letter is written in the transaction of the death, with the job's last attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from jobs.db.statement import Statement, run, run_many

MOST_ATTEMPTS = 20
MESSAGE_CHARS, TRACEBACK_CHARS = 2_000, 8_000

_BURY = Statement("""
INSERT INTO jobs_deadletter (job_id, epoch, queue, kind, code, message, traceback, fingerprint, reason, words,
  words_encoding)
VALUES (%(job_id)s, %(epoch)s, (SELECT queue FROM jobs_job WHERE id = %(job_id)s), %(kind)s, %(code)s,
  %(message)s, %(traceback)s, %(fingerprint)s, %(reason)s, %(words)s, %(words_encoding)s)
""")

# Sorted by time, not by id: the scan would walk the primary key past the events of all other jobs.
_REMEMBER = Statement("""
UPDATE jobs_deadletter AS letter SET history = past.attempts
FROM unnest(%(jobs)s::uuid[]) AS dead(id) CROSS JOIN LATERAL (
  SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'at', event.at, 'epoch', event.epoch, 'kind', event.detail->'kind', 'code', event.detail->'code',
    'message', COALESCE(to_jsonb(message.message), event.detail->'message'),
    'attempt', event.detail->'attempt', 'delay_s', event.detail->'delay_s', 'reason', event.detail->'reason',
    'batch', event.detail->'batch', 'worker', worker.node)) ORDER BY event.id) AS attempts
  FROM (
    SELECT * FROM jobs_event WHERE job_id = dead.id AND kind IN ('failed', 'rescue')
    ORDER BY at DESC, id DESC LIMIT %(most)s
  ) AS event
  LEFT JOIN jobs_attemptmessage message ON message.event_id = event.id
  LEFT JOIN jobs_batch batch ON batch.id = CAST(event.detail->>'batch' AS uuid)
  LEFT JOIN jobs_worker worker ON worker.id = batch.worker_id
) AS past
WHERE letter.job_id = dead.id AND past.attempts IS NOT NULL
""")


def bury(connection: sa.Connection, deaths: Sequence[Mapping[str, Any]]) -> None:
    """Write the dead letters of jobs that have just died, each with its attempts; they are due at once.

    A death has a job_id, epoch, kind, code, message, traceback and fingerprint; it may have a reason, and a
    model's sealed words.
    """
    run_many(connection, _BURY, [_bounded(death) for death in deaths])
    remember(connection, [death["job_id"] for death in deaths])


def _bounded(death: Mapping[str, Any]) -> dict[str, Any]:
    text = {
        "message": death["message"][:MESSAGE_CHARS],
        "traceback": death["traceback"][-TRACEBACK_CHARS:],  # its end says more
    }
    return {"reason": "", "words": None, "words_encoding": "", **death, **text}


def remember(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    """Copy the last failed attempts of jobs from their events into the dead letters of this transaction."""
    run(connection, _REMEMBER, {"jobs": list(jobs), "most": MOST_ATTEMPTS})
