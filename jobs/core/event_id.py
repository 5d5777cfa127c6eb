"""Marks: how far the client of a job's events was told, which is the id of each event.

`3.5.running` is the fifth progress report of the attempt that the claim to epoch 3 began. Only the newest
counts: a client that comes back with a mark is told what is newer, once, and not what it missed between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs.core.states import State

_MARK = re.compile(r"(\d{1,10})\.(\d{1,10})\.([a-z]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventId:
    """A job's epoch and state, and how many times its model has reported progress in that epoch."""

    epoch: int
    step: int
    state: str

    def __str__(self) -> str:
        return f"{self.epoch}.{self.step}.{self.state}"

    @classmethod
    def parse(cls, text: str) -> EventId | None:
        """Return the mark that `text` is; None for anything else."""
        match = _MARK.fullmatch(text)
        return cls(int(match[1]), int(match[2]), match[3]) if match else None

    @property
    def turn(self) -> tuple[int, bool]:
        """Return what grows with each change of state; a settle leaves its claim's epoch."""
        return (self.epoch, self.state != State.RUNNING)

    @property
    def age(self) -> tuple[int, bool, int]:
        """Return what grows with each change and each report of progress."""
        return (*self.turn, self.step)

    def after(self, told: EventId | None) -> EventId:
        """Return what a client knows that knew `told` and was brought here by one that may know less."""
        return told if told is not None and self.same_state(told) and told.step > self.step else self

    def same_state(self, other: EventId | None) -> bool:
        """Say whether `other` stands in the same state, by the same change."""
        return other is not None and (self.epoch, self.state) == (other.epoch, other.state)
