"""What the verdicts of one version say about the version, and about each of its clients. Pure.

A failure that bisection pinned to its item says nothing of the version: the same run answered the others. One
of an input that the version answered before does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.states import State

EVERY_CLIENT = 0  # the client of a circuit that holds all jobs of its version
BLAMED = frozenset(FailureKind) - {FailureKind.INVALID, FailureKind.REFUSED}


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one attempt, whose job it was, and how the job ended, None where it did not.

    `answered_before` is True where the version answered the same input before.
    """

    client: int
    outcome: Outcome
    end: State | None = None
    answered_before: bool = False


@dataclass(frozen=True, slots=True)
class VerdictTally:
    """Attempts of one client at one version.

    | field | meaning |
    |---|---|
    | `succeeded` | jobs that got their answer |
    | `blamed` | failures, but for invalid inputs |
    | `pinned` | the part of these that bisection pinned to their items |
    | `answered_before` | the part of the others whose inputs succeeded before |
    | `dead` | jobs that ended dead, of any kind of failure |
    | `spent` | the part of these that may be the version's fault: neither invalid nor pinned |
    """

    succeeded: int = 0
    blamed: int = 0
    pinned: int = 0
    answered_before: int = 0
    dead: int = 0
    spent: int = 0

    def __add__(self, other: VerdictTally) -> VerdictTally:
        """Return the sum of both."""
        return VerdictTally(
            self.succeeded + other.succeeded,
            self.blamed + other.blamed,
            self.pinned + other.pinned,
            self.answered_before + other.answered_before,
            self.dead + other.dead,
            self.spent + other.spent,
        )

    @property
    def suspected(self) -> int:
        """Return how many failures may be the version's fault."""
        return self.blamed - self.pinned


Tallies = Mapping[int, VerdictTally]  # by client
NOTHING = VerdictTally()


def tallies_of(batch: Iterable[Answer]) -> dict[int, VerdictTally]:
    """Return the tally of each client in one batch."""
    answers = list(batch)
    blamed = sum(_is_blamed(answer) for answer in answers)
    pinned = sum(isinstance(answer.outcome, Success) for answer in answers) >= blamed
    tallies: dict[int, VerdictTally] = {}
    for answer in answers:
        tallies[answer.client] = tallies.get(answer.client, NOTHING) + _tally(answer, pinned=pinned)
    return tallies


def summed(parts: Iterable[Tallies]) -> dict[int, VerdictTally]:
    """Return the sum of tallies, by client."""
    total: dict[int, VerdictTally] = {}
    for part in parts:
        add_to(total, part)
    return total


def add_to(total: dict[int, VerdictTally], part: Tallies) -> None:
    """Add tallies to a sum."""
    for client, tally in part.items():
        total[client] = total[client] + tally if client in total else tally


def all_answered(clients: Iterable[int]) -> dict[int, VerdictTally]:
    """Return the tally of each client in a batch that was answered whole; `clients` has one for each job."""
    return {client: VerdictTally(succeeded=jobs) for client, jobs in Counter(clients).items()}


def _tally(answer: Answer, *, pinned: bool) -> VerdictTally:
    blamed, dead = _is_blamed(answer), answer.end is State.DEAD
    return VerdictTally(
        succeeded=answer.end is State.SUCCEEDED,
        blamed=blamed,
        pinned=blamed and pinned,
        answered_before=blamed and not pinned and answer.answered_before,
        dead=dead,
        spent=dead and blamed and not pinned,
    )


def _is_blamed(answer: Answer) -> bool:
    return isinstance(answer.outcome, Failure) and answer.outcome.kind in BLAMED
