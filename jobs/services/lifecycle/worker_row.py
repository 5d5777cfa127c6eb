"""The worker's own row: one an incarnation, with a heartbeat that says its batches are still being run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from jobs.db.tables import WORKER

SILENT = "silent"  # the end reason of a worker whose heartbeat was stale
HUNG = "hung"  # the end reason of a worker whose watchdog ended it


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One start of a worker process."""

    id: UUID
    node: str
    host: str
    pid: int
    device: str
    models: tuple[str, ...]


def register(connection: sa.Connection, incarnation: Incarnation) -> None:
    """Insert the incarnation's row and end every earlier one under the same node name at once."""
    end_predecessors(connection, incarnation)
    connection.execute(
        sa.insert(WORKER).values(
            id=incarnation.id,
            node=incarnation.node,
            host=incarnation.host,
            pid=incarnation.pid,
            device=incarnation.device,
            model_names=list(incarnation.models),
        )
    )


def end_predecessors(connection: sa.Connection, incarnation: Incarnation) -> None:
    """End the live rows of the same node name: there is one process per node name."""
    live = (WORKER.c.node == incarnation.node) & WORKER.c.ended_at.is_(None)
    connection.execute(
        sa.update(WORKER)
        .where(live, WORKER.c.id != incarnation.id)
        .values(ended_at=sa.func.now(), end_reason="replaced")
    )


def serve(connection: sa.Connection, worker: UUID, models: Iterable[str]) -> None:
    """Write down which models the incarnation serves from now on."""
    connection.execute(sa.update(WORKER).where(WORKER.c.id == worker).values(model_names=list(models)))


def beat(connection: sa.Connection, worker: UUID) -> bool:
    """Renew the heartbeat; False where another process took the name.

    A row that was ended for its silence is opened again: what ran under it was reaped, what comes is not.
    """
    mine = (WORKER.c.id == worker) & (WORKER.c.ended_at.is_(None) | (WORKER.c.end_reason == SILENT))
    renewed = sa.update(WORKER).where(mine)
    now = {"heartbeat_at": sa.func.now(), "ended_at": None, "end_reason": ""}
    return bool(connection.execute(renewed.values(now)).rowcount)


def end(connection: sa.Connection, worker: UUID, reason: str) -> None:
    """Mark the incarnation ended; its open batches, if any, are reaped at once."""
    alive = (WORKER.c.id == worker) & WORKER.c.ended_at.is_(None)
    connection.execute(sa.update(WORKER).where(alive).values(ended_at=sa.func.now(), end_reason=reason))
