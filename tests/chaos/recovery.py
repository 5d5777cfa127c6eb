"""The time from a healed fault until new jobs succeed and the backlog has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tests.chaos.world import MODELS, World
from tests.support.wait import wait_until

GOAL_S, LIMIT_S = 60.0, 180.0
LOOK_S = 0.25


def recovery_s(world: World) -> float:
    """Return the seconds until a new job of each model has succeeded and the present backlog has ended.

    Raises NotInTimeError, which says what has not ended, after LIMIT_S.
    """
    healed = time.monotonic()
    backlog = world.live()
    for model in MODELS:
        (probe,) = world.submit(model, [_probe(model)], priority=9)
        _until_ended(world, [probe], healed, f"an answer of {model}")
    _until_ended(world, backlog, healed, f"the end of {len(backlog)} waiting jobs")
    return time.monotonic() - healed


def _probe(model: str) -> Any:
    """Return an input that no job had before: a cached one would need no worker."""
    return {"text": f"Is anybody there? {uuid4()}"} if model == "minilm" else {"probe": str(uuid4())}


def _until_ended(world: World, jobs: Sequence[str], healed: float, what: str) -> None:
    live = list(jobs)

    def ended() -> bool:
        live[:] = world.live(live)
        return not live

    limit_s = max(1.0, healed + LIMIT_S - time.monotonic())
    wait_until(ended, what=what, limit_s=limit_s, every_s=LOOK_S)
