"""The survey of what waits and how fast it drains: a few statements a second, whatever the requests do.

The outbox is counted along its index. Batches are found by their ids, which grow with time: no index holds
their end, so that closing one stays cheap.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from jobs.core.admission.drain_rate import Ran
from jobs.core.admission.queue_estimate import PRIORITIES, QueueCount
from jobs.core.ids import first_id_at

LONGEST_BATCH_S = 90  # a batch that runs longer is not seen
WINDOW_S = 10
SILENT_S = 20
MOST_CLIENTS = 100  # of each priority; a small one is as good as none to the others

_WAITING = sa.text("""
SELECT queue, priority, client, count(*) AS jobs,
    CAST(GREATEST(0, extract(epoch FROM now() - min(due))) AS double precision) AS head_age_s,
    CAST(sum(GREATEST(0, extract(epoch FROM now() - due))) AS double precision) AS ages_s
FROM jobs_outbox GROUP BY queue, priority, client
""")

_RUNS = sa.text("""
SELECT model.name AS queue, max(version.max_batch) AS max_batch,
    max(version.max_padded_size) AS max_padded_size,
    COALESCE(sum(batch.size) FILTER (WHERE finished_at IS NULL), 0) AS running,
    COALESCE(sum(batch.size) FILTER (WHERE ended_s < :since_s), 0) AS ended,
    COALESCE(sum(batch.size) FILTER (WHERE lately), 0) AS jobs,
    count(*) FILTER (WHERE lately) AS batches,
    COALESCE(sum(ran_s) FILTER (WHERE lately), 0) AS ran_s,
    COALESCE(sum(padded_size) FILTER (WHERE lately), 0) AS padded,
    regr_intercept(ran_s, padded_size) FILTER (WHERE lately) AS fixed_s,
    regr_slope(ran_s, padded_size) FILTER (WHERE lately) AS per_unit_s,
    CAST(sum(extract(epoch FROM finished_at - claimed_at) * batch.size) FILTER (WHERE lately)
      AS double precision) AS answers_s
FROM (
    SELECT *, extract(epoch FROM now() - finished_at) AS ended_s,
        finished_at > now() - make_interval(secs => :window_s) AND ran_s > 0 AND size > 0 AS lately
    FROM jobs_batch WHERE id >= :first
) AS batch
JOIN models_registry_modelversion version ON version.id = batch.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
GROUP BY model.name
""")

_WORKERS = sa.text("""
SELECT split_part(split_part(name, ':', 1), '@', 1) AS queue, count(DISTINCT worker.id) AS workers
FROM jobs_worker worker CROSS JOIN LATERAL unnest(worker.model_names) AS name
WHERE ended_at IS NULL AND heartbeat_at > now() - make_interval(secs => :silent_s) GROUP BY 1
""")

_NOW_MS = sa.text("SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint)")

_KEEP = sa.text("""
INSERT INTO jobs_queuestanding
    (queue, waiting, head_age_s, mean_age_s, per_s, answer_s, arriving_per_s, by_client, counted_at)
VALUES (:queue, :waiting, :head_age_s, :mean_age_s, :per_s, :answer_s, :arriving_per_s,
    CAST(:by_client AS jsonb), now() - make_interval(secs => :age_s))
ON CONFLICT (queue) DO UPDATE SET waiting = EXCLUDED.waiting, head_age_s = EXCLUDED.head_age_s,
    mean_age_s = EXCLUDED.mean_age_s, per_s = EXCLUDED.per_s, answer_s = EXCLUDED.answer_s,
    arriving_per_s = EXCLUDED.arriving_per_s, by_client = EXCLUDED.by_client, counted_at = EXCLUDED.counted_at
""")

_FORGET = sa.text("DELETE FROM jobs_queuestanding WHERE NOT queue = ANY(CAST(:queues AS text[]))")


@dataclass(frozen=True, slots=True)
class Runs:
    """A model's batches: jobs in open ones, jobs that ended since the last look, and what lately ran."""

    running: int
    ended: int
    ran: Ran | None


def waiting(session: sa.Connection) -> dict[str, QueueCount]:
    """Count the outbox: for each queue, by priority, jobs, whose, and how long the first has been due."""
    lines: dict[str, list[sa.Row[tuple[object, ...]]]] = {}
    for row in session.execute(_WAITING):
        lines.setdefault(row.queue, []).append(row)
    return {queue: _counted(rows) for queue, rows in lines.items()}


def _counted(rows: Sequence[sa.Row[tuple[object, ...]]]) -> QueueCount:
    whose = [Counter[int]() for _ in range(PRIORITIES)]
    head_s, ages_s = [0.0] * PRIORITIES, [0.0] * PRIORITIES
    for row in rows:
        whose[row.priority][row.client] += row.jobs
        head_s[row.priority] = max(head_s[row.priority], row.head_age_s)
        ages_s[row.priority] += row.ages_s
    waiting = tuple(counts.total() for counts in whose)
    mean_s = tuple(ages / max(1, count) for ages, count in zip(ages_s, waiting, strict=True))
    by_client = tuple(dict(counts.most_common(MOST_CLIENTS)) for counts in whose)
    return QueueCount(waiting, tuple(head_s), mean_s, by_client=by_client)


def runs(session: sa.Connection, *, since_s: float) -> dict[str, Runs]:
    """Return what each model's batches did; `ended` counts the last `since_s` seconds."""
    now_ms = session.execute(_NOW_MS).scalar_one()
    first = first_id_at(now_ms - LONGEST_BATCH_S * 1_000)
    rows = session.execute(_RUNS, {"since_s": since_s, "window_s": WINDOW_S, "first": first})
    return {row.queue: Runs(int(row.running), int(row.ended), _ran(row)) for row in rows}


def workers(session: sa.Connection) -> dict[str, int]:
    """Count the workers that live, by the models that they serve."""
    return {row.queue: row.workers for row in session.execute(_WORKERS, {"silent_s": SILENT_S})}


def keep(session: sa.Connection, standings: Mapping[str, QueueCount], *, age_s: float) -> None:
    """Write down what was counted `age_s` ago."""
    rows: Sequence[dict[str, object]] = [
        {
            "queue": queue,
            "waiting": list(each.waiting),
            "head_age_s": list(each.head_age_s),
            "mean_age_s": list(each.mean_age_s),
            "per_s": each.per_s,
            "answer_s": each.answer_s,
            "arriving_per_s": each.arriving_per_s,
            "by_client": json.dumps([dict(counts) for counts in each.by_client]),
            "age_s": age_s,
        }
        for queue, each in sorted(standings.items())
    ]
    if rows:
        session.execute(_KEEP, rows)
    session.execute(_FORGET, {"queues": list(standings)})


def _ran(row: sa.Row[tuple[object, ...]]) -> Ran | None:
    if not row.batches or not row.jobs:
        return None
    return Ran(
        jobs=int(row.jobs),
        batches=row.batches,
        ran_s=float(row.ran_s),
        per_item=float(row.padded) / int(row.jobs),
        fixed_s=float(row.fixed_s or 0.0),
        per_unit_s=row.per_unit_s,
        answer_s=row.answers_s / int(row.jobs),
        max_batch=row.max_batch,
        max_padded_size=row.max_padded_size,
    )
