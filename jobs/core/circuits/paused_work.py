"""What an operator has paused: models, versions and clients whose jobs are taken and wait. Pure.

Unlike a circuit a pause refuses no new job, and only a person ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from jobs.core.circuits.gate import OfClient

# Jobs that stay in the outbox are looked at again by then; a resume does not wait for it.
PAUSED_HOLD_S = 300.0


class PauseKind(StrEnum):
    """Whose jobs are paused."""

    MODEL = "model"
    VERSION = "version"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Paused:
    """The row ids of paused clients and of versions, those of paused models among them; and these by name."""

    models: frozenset[str] = frozenset()
    versions: frozenset[int] = frozenset()
    clients: frozenset[int] = frozenset()

    def holds(self, version: int, client: int) -> bool:
        """Return whether a client's jobs at a version wait."""
        return version in self.versions or client in self.clients


NOTHING_PAUSED = Paused()
Row = TypeVar("Row", bound=OfClient)


def split_paused(rows: Sequence[Row], paused: Paused) -> tuple[list[Row], list[Row]]:
    """Return the rows to go on with, in their order, and those that wait."""
    if paused == NOTHING_PAUSED:
        return list(rows), []
    waits = [paused.holds(row.version, row.client) for row in rows]
    free = [row for row, held in zip(rows, waits, strict=True) if not held]
    return free, [row for row, held in zip(rows, waits, strict=True) if held]
