"""Moves rows to the queue of their model's slow lane, and reads which ones belong there.

A job is always enqueued in its model's queue. The feeder of that queue moves what is slow when it is due; so
no submit, retry or take-back knows of lanes, and a job that gets another version is looked at anew.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from jobs.core.channels import SUBMITTED
from jobs.core.messages.envelope import Envelope
from jobs.core.relay.slow_rows import SlowFrom
from jobs.db.leases import HELD, fence_of
from jobs.db.statement import Statement, run

# Probes by key only: see the relay's statements. A row with an older message becomes a fresh one: the claim
# that comes first wins. Its age, `since`, stays.
_MOVE: Statement[None] = Statement(f"""
WITH slow AS (
    SELECT outbox.job_id
    FROM unnest(%(jobs)b::uuid[], %(epochs)b::integer[]) AS row(job_id, epoch) CROSS JOIN LATERAL (
        SELECT job_id FROM jobs_outbox WHERE job_id = row.job_id AND epoch = row.epoch AND {HELD}
        LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS outbox
), moved AS (
    UPDATE jobs_outbox AS outbox
    SET queue = %(queue)s, published = 0, published_at = NULL,
        due = now() + array_position(%(jobs)b::uuid[], job_id) * interval '1 microsecond'
    WHERE outbox.job_id = ANY(ARRAY(SELECT job_id FROM slow))
)
SELECT pg_notify(jobs_channel(%(channel)s), %(queue)s)
""")  # noqa: S608  # built from a constant
_SLOW_FROM: Statement[dict[str, int]] = Statement(
    "SELECT slow_from FROM jobs_queuestanding WHERE slow_from <> '{}'", dict
)


def to_slow_lane(connection: sa.Connection, envelopes: Collection[Envelope], *, queue: str) -> None:
    """Let taken rows be published through `queue` instead, due now and in this order, and wake its feeder."""
    parameters = {
        "jobs": [envelope.job for envelope in envelopes],
        "epochs": [envelope.epoch for envelope in envelopes],
        "queue": queue,
        "channel": SUBMITTED,
    }
    run(connection, _MOVE, {**parameters, **fence_of(connection)})


def read_slow_from(connection: sa.Connection) -> SlowFrom:
    """Return by version the size from which on jobs are slow, as the surveyor last judged."""
    return {int(name): size for row in run(connection, _SLOW_FROM) for name, size in row.items()}
