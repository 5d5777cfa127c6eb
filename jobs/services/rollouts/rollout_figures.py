"""What live roll-outs show on pages of metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from jobs.db.statement import Statement, run
from models_registry.core.rollouts.rollout_states import LIVE

E_VALUE = "e_"  # what the names of e-values among the judge's numbers begin with
_LIVE_STATES = sorted(state.value for state in LIVE)


class RolloutFigures(NamedTuple):
    """A live roll-out in figures; `hold` is empty unless it is held, `held_s` are seconds in its state."""

    model: str
    alias: str
    share: float
    met: int
    budget: int
    hold: str
    held_s: float
    numbers: dict[str, float]

    @property
    def e_values(self) -> dict[str, float]:
        """Return the e-value of each test by its name."""
        named = self.numbers.items()
        return {name.removeprefix(E_VALUE): value for name, value in named if name.startswith(E_VALUE)}


_FIGURES = Statement(
    """
SELECT model.name AS model, rollout.alias, rollout.share_ppm / 1e6::float8 AS share, rollout.met,
  rollout.budget, rollout.hold, extract(epoch FROM now() - rollout.state_since)::float8 AS held_s,
  coalesce(evidence.document -> 'numbers', '{}'::jsonb) AS numbers
FROM models_registry_rollout rollout
JOIN models_registry_registeredmodel model ON model.id = rollout.model_id
LEFT JOIN jobs_evidence evidence ON evidence.rollout = rollout.id
WHERE rollout.state = ANY(%(live)s::text[]) ORDER BY model.name, rollout.alias
""",
    RolloutFigures,
)


def read_figures(session: psycopg.Connection[Any]) -> list[RolloutFigures]:
    """Return the figures of all live roll-outs; psycopg.Error."""
    return run(session, _FIGURES, {"live": _LIVE_STATES})
