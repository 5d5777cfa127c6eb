"""What the judge decides at a look, with the numbers and the sentence that explain it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from models_registry.core.rollouts.rollout_states import HoldReason


class ActKind(StrEnum):
    """What is to be done with the roll-out; everything but `keep` writes."""

    KEEP = "keep"
    SHARE = "share"  # another share at the same step
    STEP = "step"
    HOLD = "hold"  # from running, baking, or held for another reason
    RESUME = "resume"
    PROVE = "prove"  # the budget does not bind any more
    BAKE = "bake"
    FINISH = "finish"
    ROLL_BACK = "roll_back"


class JudgeAct(Struct, frozen=True):
    """An act; `share_ppm` and `step` are those after it.

    `held` is the reason of a hold, `reason` that of a roll-back: the name of a test, or `worker_deaths`. A
    hold for `worker_death` sets the roll-out's `deaths_held` to `numbers["deaths"]`.
    """

    kind: ActKind
    share_ppm: int
    step: int
    sentence: str
    numbers: dict[str, float]
    held: HoldReason | None = None
    reason: str = ""
