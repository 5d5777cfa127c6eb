"""A replay goes on where its first job succeeds, and stops where that fails as the others did."""

from __future__ import annotations

import pytest

from jobs.core.retry.replay_steps import MOST_CANARIES, Step, next_step
from jobs.core.states import State

SAME, OTHER = "internal:ValueError:model.py:run", "internal:KeyError:model.py:run"


@pytest.mark.parametrize(
    ("state", "now", "tried", "step"),
    [
        (State.QUEUED, "", 1, Step.WAIT),
        (State.RUNNING, "", 1, Step.WAIT),
        (State.WAITING, "", 1, Step.WAIT),
        (State.SUCCEEDED, "", 1, Step.GO_ON),
        (State.DEAD, SAME, 1, Step.STOP),
        (State.DEAD, OTHER, 1, Step.TRY_ANOTHER),
        (State.CANCELLED, "", 1, Step.TRY_ANOTHER),
        (State.EXPIRED, "", 2, Step.TRY_ANOTHER),
        (None, "", 1, Step.TRY_ANOTHER),
        (State.DEAD, OTHER, MOST_CANARIES, Step.STOP),
    ],
)
def test_the_end_of_the_first_job_decides(state: State | None, now: str, tried: int, step: Step) -> None:
    chosen, reason = next_step(before=SAME, tried=tried, state=state, now=now)
    assert chosen is step
    assert bool(reason) == (step is Step.STOP)
