"""A retry storm is damped: retries may be only a share of what a model version's queue is given.

As in Finagle's and gRPC's retry budgets: each first publish deposits a fraction of a token, each retry takes
one, and a floor keeps a quiet version's retries going. What lies there unused fades with time, so that a
long calm pays for no storm. Whoever holds a budget starts empty: a restart is no way round it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

FADE_S = 10.0
LONGEST_WAIT_S = 30.0


class Publish(Protocol):
    """What a budget must know of a row that is about to be published."""

    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def retry(self) -> bool: ...  # noqa: D102


Row = TypeVar("Row", bound=Publish)


@dataclass(slots=True)
class RetryBudget:
    """The tokens of one model version; `now` is in seconds of a clock that only goes forward.

    Over any T seconds of n first publishes no more than `share/(1 - share)·n + floor_per_s·T` retries pass,
    and a few that earlier publishes paid for in the last ten seconds.
    """

    share: float = 0.2
    floor_per_s: float = 10.0
    tokens: float = 0.0
    earned_per_s: float = 0.0
    _at: float | None = None
    _next_at: float = 0.0

    def deposit(self, first_publishes: int, now: float) -> None:
        """Pay in for messages of jobs that had no failed attempt."""
        self._pass(now)
        earned = first_publishes * self.share / (1.0 - self.share)
        self.tokens += earned
        self.earned_per_s += earned / FADE_S

    def wait_s(self, now: float) -> float:
        """Take a token and return 0, or return in how many seconds there may be one, 30 at most."""
        self._pass(now)
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        ahead_s = max(self._next_at - now, 0.0) + 1.0 / (self.floor_per_s + self.earned_per_s)
        wait_s = min(ahead_s, LONGEST_WAIT_S)
        self._next_at = now + wait_s
        return wait_s

    def _pass(self, now: float) -> None:
        """Let what was not used fade, and the floor pay in, since the last look."""
        kept = math.exp(-(now - self._at) / FADE_S) if self._at is not None else 1.0
        self.tokens = self.tokens * kept + self.floor_per_s * FADE_S * (1.0 - kept)
        self.earned_per_s *= kept
        self._at = now


@dataclass(frozen=True, slots=True)
class Postponed(Generic[Row]):
    """A retry that is over its version's budget, and how many seconds it is to wait."""

    row: Row
    delay_s: float


class RetryBudgets:
    """The budgets of a queue's versions, each as `make` makes it when first asked for."""

    def __init__(self, make: Callable[[int], RetryBudget]) -> None:
        self._make = make
        self._budgets: dict[int, RetryBudget] = {}

    def published(self, rows: Iterable[Publish], now: float) -> None:
        """Pay in for those of the rows that were first publishes."""
        counts = Counter(row.version for row in rows if not row.retry)
        for version, count in counts.items():
            self._of(version).deposit(count, now)

    def split(self, rows: Sequence[Row], now: float) -> tuple[list[Row], list[Postponed[Row]]]:
        """Return the rows to publish now, in their order, and the retries that are over the budget."""
        if not any(row.retry for row in rows):
            return list(rows), []
        waits = [self._of(row.version).wait_s(now) if row.retry else 0.0 for row in rows]
        passed = [row for row, wait_s in zip(rows, waits, strict=True) if not wait_s]
        over = [Postponed(row, wait_s) for row, wait_s in zip(rows, waits, strict=True) if wait_s]
        return passed, over

    def _of(self, version: int) -> RetryBudget:
        budget = self._budgets.get(version)
        if budget is None:
            budget = self._budgets[version] = self._make(version)
        return budget
