"""Decides what happens to the followers of a job, their leader, once the leader has ended. Pure.

- The leader succeeded: the followers succeed, each with a copy of the result.
- The leader is dead: the followers die of the same failure, except those that may have more attempts.
- The leader was cancelled, expired, or died for lack of time: one of the followers becomes the leader.
- The leader's deadline kept it from a later step of its cascade: a follower with more time leads.
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
    """A leader's state, whether it has a result, and why it had no further attempt if it is dead.

    `hurried` is True where its deadline kept it from a later step of its cascade.
    """

    state: str
    max_attempts: int
    has_result: bool = False
    kind: str = ""
    reason: str = ""
    hurried: bool = False


def fate(leader: Leader | None, *, max_attempts: int, has_more_time: bool = False) -> FollowerFate:
    """Return the fate of a follower that may have `max_attempts`; `leader` is None if its row is gone.

    `has_more_time` is True where its deadline is later than the leader's, or it has none. Those that have not
    would come to the same end, one after the other.
    """
    if leader is None:
        return FollowerFate.LEAD
    if leader.state not in TERMINAL:
        return FollowerFate.WAIT
    if leader.hurried and has_more_time:
        return FollowerFate.LEAD
    if leader.state == State.SUCCEEDED and leader.has_result:
        return FollowerFate.ANSWER
    if leader.state == State.DEAD and _same_death(leader, max_attempts):
        return FollowerFate.DIE
    return FollowerFate.LEAD


def _same_death(leader: Leader, max_attempts: int) -> bool:
    """Return whether a job with that many attempts would have died of the leader's failure too."""
    if leader.kind in NEVER:
        return True
    return (
        leader.kind != "" and max_attempts <= leader.max_attempts and not leader.reason.startswith(TOO_LATE)
    )
