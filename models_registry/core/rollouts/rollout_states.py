"""The states of a roll-out, and what moves it from one to another; statements take them from here.

planned ──gate──► gating ──pass──► running ◄──resume── held
                    │                 │  └────hold────►  │
                    └─refuse─► refused└──bake──► baking ──finish──► done

    gate:      planned -> gating
    pass:      gating -> running
    refuse:    gating -> refused
    hold:      running, baking, held -> held (with another reason)
    resume:    held -> running
    bake:      running -> baking
    finish:    baking -> done
    roll_back: running, held, baking -> rolled_back
    cancel:    planned, gating, running, held, baking -> cancelled

A roll-out that was held while it baked goes on as `running` at its last step, and bakes again from there.
"""

from __future__ import annotations

from enum import StrEnum


class RolloutState(StrEnum):
    """The state of a roll-out; the value is stored in Postgres and shown by the API."""

    PLANNED = "planned"
    GATING = "gating"
    RUNNING = "running"
    HELD = "held"
    BAKING = "baking"
    DONE = "done"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"


class HoldReason(StrEnum):
    """Why a roll-out is held; the set is closed."""

    BUDGET = "budget"
    STARVED = "starved"
    SUSPICIOUS = "suspicious"
    WORKER_DEATH = "worker_death"
    PAUSED = "paused"
    APPROVAL = "approval"


class RolloutVerb(StrEnum):
    """What moves a roll-out from one state to another."""

    GATE = "gate"
    PASS = "pass"  # noqa: S105  # a verb, not a password
    REFUSE = "refuse"
    HOLD = "hold"
    RESUME = "resume"
    BAKE = "bake"
    FINISH = "finish"
    ROLL_BACK = "roll_back"
    CANCEL = "cancel"


_EXPOSED = frozenset({RolloutState.RUNNING, RolloutState.HELD, RolloutState.BAKING})
LIVE = _EXPOSED | {RolloutState.PLANNED, RolloutState.GATING}

# (states it may start from, the state it ends in)
ROLLOUT_TRANSITIONS: dict[RolloutVerb, tuple[frozenset[RolloutState], RolloutState]] = {
    RolloutVerb.GATE: (frozenset({RolloutState.PLANNED}), RolloutState.GATING),
    RolloutVerb.PASS: (frozenset({RolloutState.GATING}), RolloutState.RUNNING),
    RolloutVerb.REFUSE: (frozenset({RolloutState.GATING}), RolloutState.REFUSED),
    RolloutVerb.HOLD: (_EXPOSED, RolloutState.HELD),
    RolloutVerb.RESUME: (frozenset({RolloutState.HELD}), RolloutState.RUNNING),
    RolloutVerb.BAKE: (frozenset({RolloutState.RUNNING}), RolloutState.BAKING),
    RolloutVerb.FINISH: (frozenset({RolloutState.BAKING}), RolloutState.DONE),
    RolloutVerb.ROLL_BACK: (_EXPOSED, RolloutState.ROLLED_BACK),
    RolloutVerb.CANCEL: (LIVE, RolloutState.CANCELLED),
}


def rollout_sources(verb: RolloutVerb) -> list[str]:
    """Return the values of the states that `verb` may start from, sorted, for a query."""
    return sorted(state.value for state in ROLLOUT_TRANSITIONS[verb][0])
