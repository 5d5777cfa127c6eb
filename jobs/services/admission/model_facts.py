"""What changes slowly about a model, read every few seconds: goal, pause, dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from jobs.core.circuits.paused_work import PauseKind
from jobs.db.statement import Statement, run
from models_registry.core.refs import DEFAULT_ALIAS

READ_EVERY_S = 5.0
DUTY = 20.0  # the pause is so many times as long as the read: many dead letters are counted less often


class ModelFact(NamedTuple):
    """A registered model's goal (None without a default version), pause, and number of dead letters."""

    queue: str
    goal_s: float | None
    is_paused: bool
    dead_letters: int


_FACTS = Statement(
    """
SELECT model.name AS queue, version.p95_goal_s AS goal_s,
    EXISTS (SELECT FROM jobs_workpause WHERE kind = %(model)s AND target = model.id) AS is_paused,
    (SELECT count(*) FROM jobs_deadletter WHERE queue = model.name AND discarded_at IS NULL) AS dead_letters
FROM models_registry_registeredmodel model
LEFT JOIN models_registry_alias alias ON alias.model_id = model.id AND alias.name = %(alias)s
LEFT JOIN models_registry_modelversion version ON version.id = alias.version_id
""",
    ModelFact,
)

_VALUES = {"alias": DEFAULT_ALIAS, "model": PauseKind.MODEL.value}


class ModelFacts:
    """Reads them again and again; what was read stands in between."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read at the first call; `clock` returns monotonic seconds."""
        self._clock, self._due_at = clock, 0.0
        self._facts: Mapping[str, ModelFact] = {}

    def read(self, session: sa.Connection) -> Mapping[str, ModelFact]:
        """Return the facts of each registered model by name."""
        began_s = self._clock()
        if began_s >= self._due_at:
            self._facts = {fact.queue: fact for fact in run(session, _FACTS, _VALUES)}
            now_s = self._clock()
            self._due_at = now_s + max(READ_EVERY_S, DUTY * (now_s - began_s))
        return self._facts
