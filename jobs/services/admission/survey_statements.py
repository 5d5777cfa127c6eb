"""Counts what waits and how fast it drains, by a few statements a second whatever the rate of requests.

The outbox is counted in `waiting_count`. Recent batches are found by their ids, which grow with time: no
index holds the end of a batch, so closing one stays cheap.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import sqlalchemy as sa

from jobs.core.admission.drain_rate import RecentRuns
from jobs.core.admission.queue_count import QueueCount
from jobs.core.admission.queue_survey import LONGEST_BATCH_S, RUNS_WINDOW_S, LedgerCount
from jobs.core.ids import first_id_at
from jobs.core.scaling.workers_wanted import START_S
from jobs.db.leases import HELD, fence_of
from jobs.db.statement import Statement, run
from models_registry.core.refs import SLOW_ENDING

SILENT_S = 20  # a worker without a heartbeat for longer counts as dead


class _LedgerRow(NamedTuple):
    queue: str
    max_batch: int
    max_padded_size: int
    running: int
    ended: int
    jobs: int
    batches: int
    ran_s: float
    padded: float
    fixed_s: float | None
    per_unit_s: float | None
    answers_s: float | None


_LEDGER = Statement(
    """
SELECT model.name || CASE WHEN batch.slow THEN %(slow)s ELSE '' END AS queue,
    max(version.max_batch) AS max_batch,
    max(version.max_padded_size) AS max_padded_size,
    COALESCE(sum(batch.size) FILTER (WHERE finished_at IS NULL), 0) AS running,
    COALESCE(sum(batch.size) FILTER (WHERE ended_s < %(since_s)s), 0) AS ended,
    COALESCE(sum(batch.size) FILTER (WHERE lately), 0) AS jobs,
    count(*) FILTER (WHERE lately) AS batches,
    COALESCE(sum(ran_s) FILTER (WHERE lately), 0) AS ran_s,
    COALESCE(sum(padded_size) FILTER (WHERE lately), 0)::float8 AS padded,
    regr_intercept(ran_s, padded_size) FILTER (WHERE lately) AS fixed_s,
    regr_slope(ran_s, padded_size) FILTER (WHERE lately) AS per_unit_s,
    CAST(sum(extract(epoch FROM finished_at - claimed_at) * batch.size) FILTER (WHERE lately)
      AS double precision) AS answers_s
FROM (
    SELECT *, extract(epoch FROM now() - finished_at) AS ended_s,
        finished_at > now() - make_interval(secs => %(window_s)s) AND ran_s > 0 AND size > 0 AS lately
    FROM jobs_batch WHERE id >= %(first)s
) AS batch
JOIN models_registry_modelversion version ON version.id = batch.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
GROUP BY model.name, batch.slow
""",
    _LedgerRow,
)


class WorkerCount(NamedTuple):
    """A queue's workers: live ones, how many of these hold a batch of it, and those without a heartbeat.

    `live_part` divides each live worker by the queues that it serves.
    """

    queue: str = ""
    live: int = 0
    live_part: float = 0.0
    busy: int = 0
    silent: int = 0


_WORKERS = Statement(
    """
SELECT queue, count(*) FILTER (WHERE live) AS live,
    COALESCE(sum(part) FILTER (WHERE live), 0)::float8 AS live_part,
    count(*) FILTER (WHERE live AND busy) AS busy,
    count(*) FILTER (WHERE NOT live) AS silent
FROM (
    SELECT served.queue, 1.0 / count(*) OVER (PARTITION BY worker.id) AS part,
        heartbeat_at > now() - make_interval(secs => %(silent_s)s) AS live,
        EXISTS (
            SELECT FROM jobs_batch batch
            JOIN models_registry_modelversion version ON version.id = batch.version_id
            JOIN models_registry_registeredmodel model ON model.id = version.model_id
            WHERE batch.worker_id = worker.id AND batch.finished_at IS NULL
                AND model.name = served.model AND batch.slow = served.slow
        ) AS busy
    FROM jobs_worker worker CROSS JOIN LATERAL (
        SELECT model, lane.slow, model || CASE WHEN lane.slow THEN %(slow)s ELSE '' END AS queue
        FROM (
            SELECT DISTINCT split_part(split_part(name, ':', 1), '@', 1) AS model
            FROM unnest(worker.model_names) AS name
        ) AS named CROSS JOIN (VALUES (false), (true)) AS lane(slow)
        WHERE CASE WHEN lane.slow THEN worker.lane <> 'fast' AND model = ANY(%(slow_models)s::text[])
            ELSE worker.lane <> 'slow' END
    ) AS served
    WHERE ended_at IS NULL
) AS each_of_them GROUP BY queue
""",
    WorkerCount,
)


class StartTime(NamedTuple):
    """What a model's autoscalers say: seconds that a worker takes to start, and until the next one serves."""

    queue: str
    whole_s: float
    left_s: float


# A start that takes longer than the last one is taken to need as much time again as it is late.
_STARTS = Statement(
    """
SELECT queue, min(whole_s) AS whole_s,
    min(CASE WHEN since_s IS NULL THEN whole_s + 1.0 ELSE GREATEST(1.0, abs(whole_s - since_s)) END) AS left_s
FROM (
    SELECT unnest(model_names) AS queue, COALESCE(start_s, %(start_s)s) AS whole_s,
        extract(epoch FROM now() - starting_since)::float8 AS since_s
    FROM jobs_autoscaler WHERE ended_at IS NULL AND max_workers > 0
        AND heartbeat_at > now() - make_interval(secs => %(silent_s)s)
) AS scaled GROUP BY queue
""",
    StartTime,
)

_NOW_MS = Statement("SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint)", int)

_STORE: Statement[None] = Statement(f"""
WITH stored AS (
    INSERT INTO jobs_queuestanding
        (queue, waiting, head_age_s, mean_age_s, per_s, answer_s, arriving_per_s, by_client, spans, workers,
        busy, silent, workers_wanted, workers_load, worker_per_s, start_s, arrivals_per_s, goal_s,
        dead_letters, slow_from, counted_at)
    SELECT queue, waiting, head_age_s, mean_age_s, per_s, answer_s, arriving_per_s, by_client, spans, workers,
        busy, silent, workers_wanted, workers_load, worker_per_s, start_s, arrivals_per_s, goal_s,
        dead_letters, slow_from, now() - make_interval(secs => %(age_s)s)
    FROM jsonb_to_recordset(%(counts)s::text::jsonb) AS counted(queue text, waiting integer[],
        head_age_s float8[], mean_age_s float8[], per_s float8, answer_s float8, arriving_per_s float8,
        by_client jsonb, spans jsonb, workers integer, busy integer, silent integer, workers_wanted integer,
        workers_load float8, worker_per_s float8, start_s float8, arrivals_per_s float8,
        goal_s float8, dead_letters integer, slow_from jsonb)
    WHERE {HELD}
    ON CONFLICT (queue) DO UPDATE SET waiting = EXCLUDED.waiting, head_age_s = EXCLUDED.head_age_s,
        mean_age_s = EXCLUDED.mean_age_s, per_s = EXCLUDED.per_s, answer_s = EXCLUDED.answer_s,
        arriving_per_s = EXCLUDED.arriving_per_s, by_client = EXCLUDED.by_client, spans = EXCLUDED.spans,
        workers = EXCLUDED.workers, busy = EXCLUDED.busy, silent = EXCLUDED.silent,
        workers_wanted = EXCLUDED.workers_wanted, workers_load = EXCLUDED.workers_load,
        worker_per_s = EXCLUDED.worker_per_s, start_s = EXCLUDED.start_s,
        arrivals_per_s = EXCLUDED.arrivals_per_s,
        goal_s = EXCLUDED.goal_s, dead_letters = EXCLUDED.dead_letters,
        slow_from = EXCLUDED.slow_from, counted_at = EXCLUDED.counted_at
)
DELETE FROM jobs_queuestanding WHERE NOT queue = ANY(%(queues)s::text[]) AND {HELD}
""")  # noqa: S608  # built from a constant


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """What is stored of a queue beside its count, for people and scalers; None where it is unknown.

    `slow_from` is by version the size of an input from which on its jobs go to the slow lane.
    """

    busy: int = 0
    silent: int = 0
    workers_wanted: int | None = None
    workers_load: float | None = None
    goal_s: float | None = None
    dead_letters: int | None = None
    slow_from: Mapping[int, int] = field(default_factory=dict)


def ledger(session: sa.Connection, *, since_s: float) -> dict[str, LedgerCount]:
    """Count the batches of each queue; those that ended in the last `since_s` seconds give `ended`."""
    (now_ms,) = run(session, _NOW_MS)
    first = first_id_at(now_ms - int(LONGEST_BATCH_S * 1_000))
    values = {"since_s": since_s, "window_s": RUNS_WINDOW_S, "first": first, "slow": SLOW_ENDING}
    rows = run(session, _LEDGER, values)
    return {row.queue: LedgerCount(row.running, row.ended, _recent_runs(row)) for row in rows}


def workers(session: sa.Connection, slow_models: Collection[str] = ()) -> dict[str, WorkerCount]:
    """Count the workers of each queue that have not ended; `slow_models` have a slow lane."""
    values = {"silent_s": SILENT_S, "slow": SLOW_ENDING, "slow_models": list(slow_models)}
    return {row.queue: row for row in run(session, _WORKERS, values)}


def start_times(session: sa.Connection) -> dict[str, StartTime]:
    """Return how long workers of the models that have an autoscaler take to start."""
    rows = run(session, _STARTS, {"silent_s": SILENT_S, "start_s": START_S})
    return {row.queue: row for row in rows}


def store(
    session: sa.Connection,
    counts: Mapping[str, QueueCount],
    figures: Mapping[str, QueueFigures],
    *,
    age_s: float,
) -> None:
    """Store what was counted `age_s` ago, and delete the counts of queues that are gone."""
    counted = [
        {
            "queue": queue,
            "waiting": list(count.waiting),
            "head_age_s": list(count.head_age_s),
            "mean_age_s": list(count.mean_age_s),
            "per_s": count.per_s,
            "answer_s": count.answer_s,
            "arriving_per_s": count.arriving_per_s,
            "arrivals_per_s": count.arrivals_per_s,
            "worker_per_s": count.worker_per_s,
            "start_s": count.start_s,
            "by_client": [dict(clients) for clients in count.by_client],
            "spans": [dict(clients) for clients in count.spans],
            "workers": count.workers or 0,
            **asdict(figures[queue]),
        }
        for queue, count in sorted(counts.items())
    ]
    values = {"counts": json.dumps(counted), "queues": list(counts), "age_s": age_s}
    run(session, _STORE, {**values, **fence_of(session)})


def _recent_runs(row: _LedgerRow) -> RecentRuns | None:
    if not row.batches or not row.jobs:
        return None
    return RecentRuns(
        jobs=row.jobs,
        batches=row.batches,
        ran_s=row.ran_s,
        per_item=row.padded / row.jobs,
        fixed_s=row.fixed_s or 0.0,
        per_unit_s=row.per_unit_s,
        answer_s=(row.answers_s or 0.0) / row.jobs,
        max_batch=row.max_batch,
        max_padded_size=row.max_padded_size,
    )
