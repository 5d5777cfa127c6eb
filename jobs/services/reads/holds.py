"""What held a job in its longest wait: rows of workers, circuits, outages, and batches claimed meanwhile.

Each statement reads rows by their keys, and a bounded number of them, however many jobs there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from jobs.core.cause import Cause, WentBefore
from jobs.core.circuits.breaker import CircuitState
from jobs.core.circuits.tally import EVERY_CLIENT
from jobs.core.ids import first_id_at
from jobs.core.outage_kinds import OutageKind
from jobs.core.timeline.time_spans import TimeSpan, covered_s, gaps
from jobs.db.leases import RELAY_SEEN
from jobs.db.statement import Statement, fetch_all
from jobs.services.reads.timeline_rows import MemberRow, TimelineJobRow

SILENT_S = 15.0  # a worker without a heartbeat for so long serves nothing
RELAY_SILENT_S = 6.0  # a relay leaves a mark each two seconds
OF_RELAYS = frozenset({OutageKind.PAUSED, OutageKind.NO_RELAY})
MOST_ROWS = 500
MOST_BATCHES = 400
MOST_MEMBERS = 4_000
LONGEST_RUN = timedelta(minutes=10)  # batches that were claimed so long before may still have run


class _SpanRow(NamedTuple):
    kind: str
    begin: datetime
    until: datetime


# Workers are few: their rows go some months after their end. One that loads the version, or cannot, leaves
# its model meanwhile, and is one that the job waited for.
_WORKERS = Statement(
    """
SELECT 'worker' AS kind, started_at AS begin,
  CASE end_reason WHEN 'silent' THEN heartbeat_at
  ELSE LEAST(ended_at, heartbeat_at + make_interval(secs => %(silent_s)s)) END AS until
FROM jobs_worker worker
WHERE started_at < %(end)s
  AND COALESCE(ended_at, heartbeat_at + make_interval(secs => %(silent_s)s)) > %(begin)s
  AND (EXISTS (
    SELECT FROM unnest(worker.model_names) AS name
    WHERE split_part(split_part(name, ':', 1), '@', 1) = %(model)s)
  OR (COALESCE(%(node)s::text, worker.node) = worker.node AND EXISTS (
    SELECT FROM models_registry_versionload AS load
    WHERE load.node = worker.node AND load.version_id = %(version)s AND load.state <> 'ready')))
""",
    _SpanRow,
)
_OUTAGES = Statement(
    """
SELECT kind, began_at AS begin, until FROM (
  SELECT * FROM jobs_outage WHERE until >= %(begin)s ORDER BY until LIMIT %(most)s
) AS outage
WHERE began_at < %(end)s AND model IN ('', %(model)s) AND version IN (0, %(version)s)
  AND client IN (0, %(client)s) AND (node = '' OR node = COALESCE(%(node)s::text, node))
""",
    _SpanRow,
)
# What holds now. A load, or a version that could not be loaded, holds a job that still waits only where no
# worker has the version in memory.
_NOW = Statement(
    """
SELECT 'cold_model' AS kind, since AS begin, now() AS until FROM models_registry_versionload AS load
WHERE version_id = %(version)s AND state <> 'ready' AND (
  node = %(node)s OR (%(node)s::text IS NULL AND EXISTS (
    SELECT FROM jobs_worker worker WHERE worker.node = load.node AND worker.ended_at IS NULL
  ) AND NOT EXISTS (
    SELECT FROM models_registry_versionload AS other
    JOIN jobs_worker worker ON worker.node = other.node AND worker.ended_at IS NULL
    WHERE other.version_id = %(version)s AND other.state = 'ready')))
UNION ALL
SELECT 'paused', since, now() FROM jobs_workpause
WHERE (kind = 'client' AND target = %(client)s) OR (kind = 'version' AND target = %(version)s)
  OR (kind = 'model' AND target = (
    SELECT model_id FROM models_registry_modelversion WHERE id = %(version)s))
UNION ALL
SELECT 'no_relay', taken_at, now() FROM jobs_lease
WHERE name = %(seen)s AND taken_at < now() - make_interval(secs => %(relay_silent_s)s)
""",
    _SpanRow,
)


class _CircuitRow(NamedTuple):
    client: int
    state: str
    at: datetime


_CIRCUITS = Statement(
    """
(SELECT COALESCE(CAST(detail->>'client' AS int), 0) AS client, detail->>'state' AS state, at FROM jobs_event
WHERE kind = 'circuit' AND detail->>'version' = %(version)s::text AND at < %(end)s
ORDER BY at DESC LIMIT %(most)s)
UNION ALL
SELECT client, state, since AS at FROM jobs_circuit WHERE version_id = %(version)s AND state <> 'closed'
""",
    _CircuitRow,
)
# Ids of batches and jobs grow with time: only rows of that time are read. The newest went right before it.
_BEFORE = Statement(
    """
SELECT count(*) FILTER (WHERE priority > %(priority)s) AS higher,
  count(*) FILTER (WHERE priority <= %(priority)s AND client_id <> %(client)s) AS others,
  count(*) FILTER (WHERE priority <= %(priority)s AND client_id = %(client)s) AS own
FROM jobs_job WHERE queue = %(model)s AND id <> %(id)s AND id = ANY(ARRAY(
  SELECT unnest(members) FROM (
    SELECT id, members FROM jobs_batch WHERE id >= %(first)s AND id < %(last)s AND id <> %(batch)s
    ORDER BY id DESC LIMIT %(batches)s
  ) AS batch LIMIT %(members)s
))
""",
    WentBefore,
)
_BUSY = Statement(
    """
SELECT 'batch' AS kind, claimed_at AS begin, COALESCE(finished_at, now()) AS until FROM (
  SELECT id, worker_id, claimed_at, finished_at FROM jobs_batch
  WHERE id >= %(first)s AND id < %(last)s AND id <> %(batch)s ORDER BY id DESC LIMIT %(batches)s
) AS batch WHERE worker_id = %(worker)s
""",
    _SpanRow,
)
_NO_ID = UUID(int=0)


def held_s(
    job: TimelineJobRow, wait: TimeSpan, outbox: TimeSpan, member: MemberRow | None
) -> dict[Cause, float]:
    """Return for how many seconds of `wait` each hold held the job, which `member`'s batch claimed.

    What keeps a relay from publishing held it in `outbox` only.
    """
    values: dict[str, Any] = {
        "begin": wait.begin,
        "end": wait.end,
        "model": job.model,
        "version": job.version_id,
        "client": job.client,
        "node": member.node if member else None,
        "silent_s": SILENT_S,
        "most": MOST_ROWS,
        "seen": RELAY_SEEN,
        "relay_silent_s": RELAY_SILENT_S,
    }
    spans = defaultdict[str, list[TimeSpan]](list)
    for row in [*fetch_all(_OUTAGES, values), *fetch_all(_NOW, values)]:
        spans[row.kind].append(TimeSpan(row.begin, row.until))
    live = [TimeSpan(row.begin, row.until) for row in fetch_all(_WORKERS, values)]
    apart = member.apart if member else job.apart
    return {
        Cause.NO_WORKER: sum(gap.seconds for gap in gaps(live, wait)),
        Cause.CIRCUIT: covered_s(_held_by_circuits(fetch_all(_CIRCUITS, values), job, wait), wait),
        **{Cause(kind): covered_s(spans[kind], outbox if kind in OF_RELAYS else wait) for kind in OutageKind},
        Cause.QUARANTINE: wait.seconds if apart else 0.0,
    }


def _held_by_circuits(rows: Iterable[_CircuitRow], job: TimelineJobRow, wait: TimeSpan) -> Iterator[TimeSpan]:
    """Yield the times in which one of the job's circuits was not closed."""
    changes = defaultdict[int, list[_CircuitRow]](list)
    for row in sorted(rows, key=lambda row: row.at):
        changes[row.client].append(row)
    for client in {EVERY_CLIENT, job.client}:
        ends = [*(row.at for row in changes[client][1:]), wait.end]
        for row, end in zip(changes[client], ends, strict=False):
            if row.state != CircuitState.CLOSED:
                yield TimeSpan(row.at, end)


def went_before(job: TimelineJobRow, wait: TimeSpan, member: MemberRow | None) -> WentBefore:
    """Return how many jobs of the model were claimed in `wait`, of the last some thousand."""
    values = {"id": job.id, "model": job.model, "priority": job.priority, "client": job.client}
    (counts,) = fetch_all(
        _BEFORE, {**values, **_batches(wait.begin, wait.end, member), "members": MOST_MEMBERS}
    )
    return counts


def busy_s(buffered: TimeSpan, member: MemberRow) -> float:
    """Return for how many seconds of `buffered` the worker had other batches in hand."""
    values = _batches(buffered.begin - LONGEST_RUN, buffered.end, member)
    rows = fetch_all(_BUSY, {**values, "worker": member.worker})
    return covered_s((TimeSpan(row.begin, row.until) for row in rows), buffered)


def _batches(begin: datetime, end: datetime, member: MemberRow | None) -> dict[str, Any]:
    first, last = (first_id_at(int(at.timestamp() * 1_000)) for at in (begin, end))
    batch = member.id if member else _NO_ID
    return {"first": first, "last": last, "batch": batch, "batches": MOST_BATCHES}
