"""The breaker of a model version: it decides from the verdicts when to stop, and why. Pure.

closed ──too many failures, or every job dead──► open ──cool-down over──► half open ──successes──► closed
                                                  ▲                          │
                                                  └─────────one failure──────┘

A failure counts if the model is to blame; a client's invalid input is not the model's fault. If every job
ends dead, the kind does not matter: to go on would only bury the rest of the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from jobs.core.failures import Failure, FailureKind, Outcome
from jobs.core.states import State

PARTS = 30  # of a window: verdicts are counted together in each
BLAMED = frozenset(FailureKind) - {FailureKind.INVALID, FailureKind.REFUSED}


class CircuitState(StrEnum):
    """Whether a version's jobs run; the value is stored in Postgres and shown by the admin."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerLimits(Protocol):
    """What opens a circuit."""

    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def window_s(self) -> float: ...  # noqa: D102
    @property
    def least(self) -> int: ...  # noqa: D102
    @property
    def share(self) -> float: ...  # noqa: D102
    @property
    def dead(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts of one version: successes, failures that it is to blame for, jobs that ended dead."""

    succeeded: int = 0
    blamed: int = 0
    dead: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return the sum of both."""
        return Tally(self.succeeded + other.succeeded, self.blamed + other.blamed, self.dead + other.dead)


def tally_of(outcomes: Iterable[Outcome], ends: Iterable[State]) -> Tally:
    """Return the tally of attempts with these `outcomes`, and of jobs that ended in the states `ends`."""
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    states = list(ends)
    return Tally(
        succeeded=states.count(State.SUCCEEDED),
        blamed=sum(failure.kind in BLAMED for failure in failed),
        dead=states.count(State.DEAD),
    )


@dataclass(slots=True)
class Breaker:
    """Counts one version's verdicts over a sliding window; `now` is in seconds and only goes forward."""

    limits: BreakerLimits
    _tallies: deque[tuple[float, Tally]] = field(default_factory=deque)

    def observe(self, now: float, tally: Tally) -> str | None:
        """Count verdicts; return why the circuit has to open, as a sentence, or None if it stays as it is."""
        self._note(now, tally)
        while self._tallies and self._tallies[0][0] <= now - self.limits.window_s:
            self._tallies.popleft()
        total = sum((counted for _, counted in self._tallies), Tally())
        reason = self._reason(total) if self.limits.enabled else None
        if reason is not None:
            self._tallies.clear()
        return reason

    def _note(self, now: float, tally: Tally) -> None:
        if self._tallies and now - self._tallies[-1][0] < self.limits.window_s / PARTS:
            since, counted = self._tallies.pop()
            self._tallies.append((since, counted + tally))
        else:
            self._tallies.append((now, tally))

    def _reason(self, total: Tally) -> str | None:
        limits = self.limits
        judged = total.succeeded + total.blamed
        if judged >= limits.least and total.blamed > limits.share * judged:
            failed = f"{total.blamed} of {judged} attempts in {limits.window_s:g} s failed"
            return f"{failed}, more than {limits.share:.0%}."
        if total.dead >= limits.dead and not total.succeeded:
            return f"Every job fails: {total.dead} ended dead in {limits.window_s:g} s and none succeeded."
        return None
