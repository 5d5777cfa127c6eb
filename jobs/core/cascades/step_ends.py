"""How a step of a cascade ended, and what became of its job. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.payloads.stored_output import is_bytes
from models_registry.core.agreement.pointers import ABSENT
from models_registry.core.routing.cascade_plan import Plan, StepJudgement, judged


class StepEnd(StrEnum):
    """Why a step ended as it did; the value is stored and shown."""

    ENOUGH = "enough"
    BELOW = "below"
    NO_CONFIDENCE = "no_confidence"
    FAILED = "failed"
    EXPIRED = "expired"
    REPLAYED = "replayed"  # no step: a replay begins the cascade again


class Hindrance(StrEnum):
    """Why a job did not go to the next step, although its answer was not enough."""

    NO_TIME = "no_time"
    CIRCUIT = "circuit"
    NOT_STAGED = "not_staged"
    SWITCHED_OFF = "switched_off"


SENTENCES = {
    Hindrance.NO_TIME: "The time until its deadline is too short for the next step of its cascade.",
    Hindrance.CIRCUIT: "The circuit of the next step of its cascade is open.",
    Hindrance.NOT_STAGED: "The version of the next step of its cascade is not staged any more.",
    Hindrance.SWITCHED_OFF: "Escalation is switched off.",
}


def hindrance_code(by: Hindrance) -> str:
    """Return the code of the failure of a job that died because it could not go on."""
    return f"cascade_{by}"


class CascadeState(msgspec.Struct, frozen=True, gc=False):
    """Where a claimed job is: `number` steps have ended, and it runs the plan's step at the index `at`.

    `degrades` means that the answer of the step before stands where this one cannot answer.
    """

    rule: int
    plan: Plan
    at: int
    number: int = 0
    degrades: bool = False


class StepVerdict(msgspec.Struct, frozen=True, gc=False):
    """What a step's end means for its job: it escalates to the version `goto`, unless that is 0.

    `degrades` says whether this step's answer may stand for the job later, `degraded` that it stands now, and
    `falls_back` that the answer of the step before may, where this one came too late or failed.
    """

    rule: int
    number: int
    why: StepEnd
    confidence: float | None = None
    goto: int = 0
    hindrance: Hindrance | None = None
    degrades: bool = False
    degraded: bool = False
    falls_back: bool = False


class StepCounts(NamedTuple):
    """Jobs of cascades: `onward` went on to the next step, `fallen` failed and have an earlier answer."""

    onward: int = 0
    fallen: int = 0


NO_STEPS = StepCounts()


class CascadeRestart(NamedTuple):
    """A job that goes by the cascade of the rule `rule` from its replay on; None: by no cascade any more."""

    job: UUID
    rule: int | None


def judged_output(state: CascadeState, stored: bytes) -> StepJudgement:
    """Return what the checks of a job's step say of its output, as it is stored in clear.

    An output of bytes has no JSON, and so no confidence.
    """
    output: Any = ABSENT if is_bytes(stored) else msgspec.json.decode(stored)
    return judged(state.plan[state.at], output)


def ended_step(state: CascadeState, found: StepJudgement) -> StepVerdict:
    """Return the verdict on a step that answered, before anything hinders the next one."""
    if found.check is None or found.reason is None:
        return StepVerdict(
            state.rule, state.number + 1, StepEnd.ENOUGH, found.confidence, falls_back=state.degrades
        )
    return StepVerdict(
        state.rule,
        state.number + 1,
        StepEnd(found.reason.value),
        found.confidence,
        goto=state.plan[found.check.goto].id,
        degrades=found.check.degrades,
        falls_back=state.degrades,
    )


def failed_step(state: CascadeState) -> StepVerdict:
    """Return the verdict on a step that failed for good."""
    return StepVerdict(state.rule, state.number + 1, StepEnd.FAILED, falls_back=state.degrades)


def hindered(step: StepVerdict, by: Hindrance) -> StepVerdict:
    """Return the verdict on a step whose job cannot go on: its answer stands, or the job fails.

    Where escalation is switched off the answer stands in any case: no job fails by a switch.
    """
    stands = step.degrades or by is Hindrance.SWITCHED_OFF
    return msgspec.structs.replace(step, goto=0, hindrance=by, degrades=False, degraded=stands)
