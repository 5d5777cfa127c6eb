"""The id of each event of a job: from a `Last-Event-ID` it follows which events a client has not received.

`3.5.running` is the fifth progress report of the attempt that began with the claim to epoch 3. A client that
comes back gets the newest event once, not every event between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jobs.core.states import State


def id_pattern(states: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of an event id: an epoch, a step and one of `states`, joined by dots."""
    names = "|".join(map(re.escape, states))
    return re.compile(rf"(\d{{1,10}})\.(\d{{1,10}})\.({names})", re.ASCII)


_EVENT_ID = id_pattern(State)


@dataclass(frozen=True, slots=True)
class EventId:
    """A job's epoch and state, and the number of progress reports that its model has made in that epoch."""

    epoch: int
    step: int
    state: str

    def __str__(self) -> str:
        return f"{self.epoch}.{self.step}.{self.state}"

    @classmethod
    def parse(cls, text: str) -> EventId | None:
        """Return the event id that `text` is; None for anything else, an unknown state included."""
        match = _EVENT_ID.fullmatch(text)
        return cls(int(match[1]), int(match[2]), match[3]) if match else None

    @property
    def turn(self) -> tuple[int, bool]:
        """Return a pair that grows with each change of state; a settle keeps the epoch of its claim."""
        return (self.epoch, self.state != State.RUNNING)

    @property
    def age(self) -> tuple[int, bool, int]:
        """Return a triple that grows with each change of state and each progress report."""
        return (*self.turn, self.step)

    def after(self, last: EventId | None) -> EventId:
        """Return the newer of this id and `last` where both name the same state, else this id."""
        return last if last is not None and self.same_state(last) and last.step > self.step else self

    def same_state(self, other: EventId | None) -> bool:
        """Return whether `other` names the same state, reached by the same change."""
        return other is not None and (self.epoch, self.state) == (other.epoch, other.state)
