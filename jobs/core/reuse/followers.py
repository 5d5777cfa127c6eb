"""What becomes of the jobs that follow another, once that one, their leader, has ended. Pure.

- It succeeded: they succeed, each with a copy of the result.
- It is dead: they die of the same, but for those that were allowed more attempts.
- It was cancelled, expired, or died for lack of time, all of which was its own: one of them leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from jobs.core.retry.policy import NEVER, TOO_LATE
from jobs.core.states import TERMINAL, State


class FollowerFate(Enum):
    """What happens to a follower."""

    WAIT = auto()
    ANSWER = auto()
    DIE = auto()
    LEAD = auto()


@dataclass(frozen=True, slots=True)
class Leader:
    """How a leader stands: whether it has a result, and of a dead one why it had no further attempt."""

    state: str
    max_attempts: int
    answered: bool = False
    kind: str = ""
    reason: str = ""


def fate(leader: Leader | None, *, max_attempts: int) -> FollowerFate:
    """Return what happens to a follower with that many attempts; `leader` is None where its row is gone."""
    if leader is None:
        return FollowerFate.LEAD
    if leader.state not in TERMINAL:
        return FollowerFate.WAIT
    if leader.state == State.SUCCEEDED and leader.answered:
        return FollowerFate.ANSWER
    if leader.state == State.DEAD and _shared(leader, max_attempts):
        return FollowerFate.DIE
    return FollowerFate.LEAD


def _shared(leader: Leader, max_attempts: int) -> bool:
    """Say whether what killed the leader would have killed a job with that many attempts too."""
    if leader.kind in NEVER:
        return True
    return (
        leader.kind != "" and max_attempts <= leader.max_attempts and not leader.reason.startswith(TOO_LATE)
    )
