"""A retry budget damps retry storms: retries may only be a fraction of a model version's publishes.

As in the retry budgets of Finagle and gRPC, each first publish deposits a fraction of a token and each retry
takes one; a floor keeps the retries of a quiet version going. Unused tokens fade, so that a long calm does
not pay for a storm. A new budget is empty, so that a restart does not refill it.
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
    """A row that is about to be published, as a budget sees it."""

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
        """Deposit for first publishes."""
        self._pass(now)
        earned = first_publishes * self.share / (1.0 - self.share)
        self.tokens += earned
        self.earned_per_s += earned / FADE_S

    def wait_s(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there may be one, at most 30."""
        self._pass(now)
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        ahead_s = max(self._next_at - now, 0.0) + 1.0 / (self.floor_per_s + self.earned_per_s)
        wait_s = min(ahead_s, LONGEST_WAIT_S)
        self._next_at = now + wait_s
        return wait_s

    def _pass(self, now: float) -> None:
        """Let unused tokens fade and deposit the floor for the time since the last call."""
        rest = math.exp(-(now - self._at) / FADE_S) if self._at is not None else 1.0
        self.tokens = self.tokens * rest + self.floor_per_s * FADE_S * (1.0 - rest)
        self.earned_per_s *= rest
        self._at = now


@dataclass(frozen=True, slots=True)
class Postponed(Generic[Row]):
    """A retry over its version's budget, and the seconds that it has to wait."""

    row: Row
    delay_s: float


class RetryBudgets:
    """The budgets of the versions of one queue; `make` creates each when it is first needed."""

    def __init__(self, make: Callable[[int], RetryBudget]) -> None:
        self._make = make
        self._budgets: dict[int, RetryBudget] = {}

    def published(self, rows: Iterable[Publish], now: float) -> None:
        """Deposit for the rows that are first publishes."""
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
