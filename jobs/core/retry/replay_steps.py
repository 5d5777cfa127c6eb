"""What the end of the first job of a replay means for the others. Pure."""

from __future__ import annotations

from enum import StrEnum

from jobs.core.states import TERMINAL, State

MOST_CANARIES = 3  # that end in another way than the replayed jobs did


class ReplayState(StrEnum):
    """What became of a replay; the value is stored in Postgres and shown by the admin."""

    TRYING = "trying"
    DONE = "done"
    STOPPED = "stopped"


class Step(StrEnum):
    """What a replay does next."""

    WAIT = "wait"
    GO_ON = "go_on"
    TRY_ANOTHER = "try_another"
    STOP = "stop"


def next_step(*, before: str, tried: int, state: State | None, now: str) -> tuple[Step, str]:
    """Return the next step and, where it is to stop, the reason.

    `before` is the fingerprint that the jobs died of, `now` that of the first job's death, if it is dead
    again; `state` is that job's, None where it was deleted. `tried` jobs went first so far.
    """
    if state is not None and state not in TERMINAL:
        return Step.WAIT, ""
    if state is State.SUCCEEDED:
        return Step.GO_ON, ""
    if state is State.DEAD and now == before:
        return Step.STOP, "The first job failed in the same way again."
    if tried < MOST_CANARIES:
        return Step.TRY_ANOTHER, ""
    return Step.STOP, f"{tried} jobs went first, and none of them succeeded."
