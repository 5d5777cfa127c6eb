"""What is paused, as it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from jobs.core.circuits.paused_work import Paused, PauseKind
from jobs.db.statement import Statement, run


class PausedRow(NamedTuple):
    """One paused thing; a paused model also stands for each of its versions."""

    kind: str
    target: int
    name: str


PAUSES = Statement(
    """
SELECT kind, target, name FROM jobs_workpause
UNION ALL
SELECT 'version', version.id, '' FROM jobs_workpause pause
JOIN models_registry_modelversion version ON version.model_id = pause.target WHERE pause.kind = 'model'
""",
    PausedRow,
)


def paused_of(rows: Iterable[PausedRow]) -> Paused:
    """Return what rows of PAUSES hold back."""
    by_kind: dict[str, set[int]] = {kind.value: set() for kind in PauseKind}
    models = set[str]()
    for row in rows:
        by_kind[row.kind].add(row.target)
        if row.kind == PauseKind.MODEL:
            models.add(row.name)
    return Paused(
        frozenset(models), frozenset(by_kind[PauseKind.VERSION]), frozenset(by_kind[PauseKind.CLIENT])
    )


def read_paused(connection: sa.Connection) -> Paused:
    """Return what is paused."""
    return paused_of(run(connection, PAUSES))
