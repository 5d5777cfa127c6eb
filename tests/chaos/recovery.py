"""How long after a fault is healed until what is new is answered and what was waiting has ended."""

from __future__ import annotations

import time

from tests.chaos.world import MODELS, World, wait_for

GOAL_S, LIMIT_S = 60.0, 180.0
SAY = {"echo": {"probe": 1}, "sleeper": {"probe": 1}, "minilm": {"text": "Is anybody there?"}}


def recovery_s(world: World) -> float:
    """Return the seconds until a new job of each model succeeded and the backlog of now ended.

    TimeoutError says which of it had not happened after LIMIT_S.
    """
    healed = time.monotonic()
    backlog = world.live()
    for model in MODELS:
        (probe,) = world.submit(model, [SAY[model]], priority=9)
        _until_ended(world, [probe], healed, f"answer of {model}")
    _until_ended(world, backlog, healed, f"end of the {len(backlog)} that waited")
    return time.monotonic() - healed


def _until_ended(world: World, jobs: list[str], healed: float, what: str) -> None:
    limit_s = max(1.0, healed + LIMIT_S - time.monotonic())
    wait_for(lambda: not world.live(jobs) or None, what=what, limit_s=limit_s)
