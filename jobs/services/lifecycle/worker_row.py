"""The worker's own row: one an incarnation; its heartbeat shows that its batches are still being run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.db.statement import Statement, run

SILENT = "silent"  # the end reason of a worker whose heartbeat was stale
HUNG = "hung"  # the end reason of a worker whose watchdog ended it
DEVICE_LOST = "device_lost"  # the end reason of a worker whose device does not answer any more

_REGISTER = Statement("""
INSERT INTO jobs_worker (id, node, host, pid, device, device_uuid, lanes, zone, lane, model_names)
VALUES (%(id)s, %(node)s, %(host)s, %(pid)s, %(device)s, %(device_uuid)s, %(lanes)s, %(zone)s,
  %(lane)s, %(models)s::text[])
ON CONFLICT (id) DO NOTHING
""")
_END_PREDECESSORS = Statement("""
UPDATE jobs_worker SET ended_at = now(), end_reason = 'replaced'
WHERE node = %(node)s AND ended_at IS NULL AND id <> %(id)s
""")
_SERVE = Statement("UPDATE jobs_worker SET model_names = %(models)s::text[] WHERE id = %(worker)s")
_BEAT = Statement(
    """
UPDATE jobs_worker worker SET heartbeat_at = now(), ended_at = NULL, end_reason = '',
  named_at = %(named_at)s, open_batches = %(batches)s::uuid[],
  memory_used_bytes = %(used_bytes)s::bigint, memory_total_bytes = %(total_bytes)s::bigint
FROM (SELECT id, end_reason FROM jobs_worker WHERE id = %(worker)s FOR UPDATE) AS before
WHERE worker.id = before.id AND (worker.ended_at IS NULL OR worker.end_reason = %(silent)s)
RETURNING before.end_reason
""",
    str,
)
_CLOCK = Statement("SELECT clock_timestamp()", datetime)
_END = Statement("""
UPDATE jobs_worker SET ended_at = now(), end_reason = %(reason)s WHERE id = %(worker)s AND ended_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One start of a worker process; `lane` is empty where it is for both lanes."""

    id: UUID
    node: str
    host: str
    pid: int
    device: str
    models: tuple[str, ...]
    device_uuid: str = ""
    lanes: int = 1
    zone: str = ""
    lane: str = ""


def register(connection: sa.Connection, incarnation: Incarnation) -> None:
    """Insert the incarnation's row and end every earlier one under the same node name at once.

    It may be repeated: where the connection was lost at the commit, the row may be there already.
    """
    end_predecessors(connection, incarnation)
    parameters = {
        "id": incarnation.id,
        "node": incarnation.node,
        "host": incarnation.host,
        "pid": incarnation.pid,
        "device": incarnation.device,
        "device_uuid": incarnation.device_uuid,
        "lanes": incarnation.lanes,
        "zone": incarnation.zone,
        "lane": incarnation.lane,
        "models": list(incarnation.models),
    }
    run(connection, _REGISTER, parameters)


def end_predecessors(connection: sa.Connection, incarnation: Incarnation) -> None:
    """End the live rows of the same node name: there is one process per node name."""
    run(connection, _END_PREDECESSORS, {"node": incarnation.node, "id": incarnation.id})


def serve(connection: sa.Connection, worker: UUID, models: Iterable[str]) -> None:
    """Store which models the incarnation serves from now on."""
    run(connection, _SERVE, {"worker": worker, "models": list(models)})


class Beat(NamedTuple):
    """The effect of a heartbeat: False where another process took the name, and the batches that are void.

    Batches are void where the row was ended for its silence: the rescuer has given their jobs to others.
    """

    known: bool
    void: frozenset[UUID] = frozenset()


class DeviceMemory(NamedTuple):
    """The memory of a worker's device, that of other processes too; None where it is not known."""

    used_bytes: int | None = None
    total_bytes: int | None = None


UNKNOWN_MEMORY = DeviceMemory()


def beat(
    connection: sa.Connection,
    worker: UUID,
    in_hand: Callable[[], Collection[UUID]],
    memory: DeviceMemory = UNKNOWN_MEMORY,
) -> Beat:
    """Renew the heartbeat, which names the batches in hand and the device's memory.

    A row that was ended for its silence is opened again: its old batches were reaped, its next ones count.
    """
    # The time is read before the batches: one that is claimed between the two is younger, so it is spared.
    (named_at,) = run(connection, _CLOCK)
    batches = list(in_hand())
    parameters = {
        "worker": worker,
        "silent": SILENT,
        "named_at": named_at,
        "batches": batches,
        **memory._asdict(),
    }
    before = run(connection, _BEAT, parameters)
    return Beat(bool(before), frozenset(batches) if SILENT in before else frozenset())


def end(connection: sa.Connection, worker: UUID, reason: str) -> None:
    """Mark the incarnation ended; its open batches, if any, are reaped at once."""
    run(connection, _END, {"worker": worker, "reason": reason})
