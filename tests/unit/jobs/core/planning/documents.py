"""Documents of plans for tests: small, and with every table."""

from __future__ import annotations

import random
from typing import Any

from jobs.core.planning.plan_file import PlanInput
from jobs.core.planning.plan_reader import StoredModel, read_plan
from jobs.core.simulation.arrivals import Chance


def document(**changes: Any) -> dict[str, Any]:
    """Two hours of one model on one kind in three zones; `devices__l4__speed=2` changes one field."""
    own: dict[str, Any] = {
        "zones": ["a", "b", "c"],
        "parts": {part: {"jobs_per_s": 1e6} for part in ("web", "postgres", "relay", "broker")},
        "devices": {"l4": {"price_per_h": 1.0, "memory_gib": 24}},
        "models": {
            "minilm": {
                "p95_goal_s": 0.3,
                "memory_gib": 2,
                "fixed_s": 0.04,
                "per_job_s": 0.0005,
                "max_batch": 32,
                "arrivals_per_s": [400, 2000],
            }
        },
    }
    for path, value in changes.items():
        *above, name = path.split("__")
        table = own
        for part in above:
            table = table.setdefault(part, {})
        table[name] = value
    return own


def no_history(name: str) -> StoredModel:
    raise AssertionError(name)


def read(**changes: Any) -> PlanInput:
    return read_plan(document(**changes), no_history)


def chance_of(seed: int) -> Chance:
    return random.Random(seed).random
