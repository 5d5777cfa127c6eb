"""Decides what follows a failed attempt: returns a value, publishes nothing and knows no clock."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.core.failures import FailureKind
from models_registry.core.options import RetryOptions, RetryRule

TOO_LATE = "the deadline leaves no time for another attempt"
NEVER = frozenset({FailureKind.INVALID, FailureKind.POISON, FailureKind.REFUSED})


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Run the job again once `delay_s` seconds have passed."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Bury:
    """Bury the job; `reason` says why there is no further attempt.

    `exhausted` says that the job has used up its attempts.
    """

    reason: str
    exhausted: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """The failed attempt: its number, the most that the job may have, and the seconds until the deadline.

    `left_s` is None if there is no deadline; `needs_s` is the expected duration of another attempt.
    """

    number: int
    most: int
    left_s: float | None = None
    needs_s: float = 0.0

    @property
    def room_s(self) -> float:
        """Return how long a retry may be delayed and still finish in time; infinite without a deadline."""
        return float("inf") if self.left_s is None else self.left_s - self.needs_s


def decide(kind: FailureKind, attempt: Attempt, *, policy: RetryOptions, chance: float) -> RetryAfter | Bury:
    """Decide what follows a failure of `kind`, with `chance` in [0, 1).

    A retry that would finish after the deadline is drawn from the time that is left, or not scheduled.
    """
    rule = policy.rule_for(kind)
    most = min(attempt.most, rule.attempts or attempt.most)
    if kind in NEVER:
        return Bury(f"a failure of kind {kind} is not retried")
    if attempt.number >= most:
        allowed = "" if most == attempt.most else f" for a failure of kind {kind}"
        return Bury(f"attempt {attempt.number} of {most}{allowed} was the last", exhausted=True)
    if attempt.room_s <= 0:
        return Bury(_too_late(attempt))
    return RetryAfter(chance * min(longest_s(rule, attempt.number), attempt.room_s))


def longest_s(rule: RetryRule, attempts: int) -> float:
    """Return the longest delay after `attempts` >= 1 failed attempts: full jitter draws below it."""
    return min(rule.cap_s, rule.base_s * 2.0 ** min(attempts - 1, 32))


def _too_late(attempt: Attempt) -> str:
    left_s = max(attempt.left_s or 0.0, 0.0)
    return f"{TOO_LATE}: {left_s:.3f} s are left and about {attempt.needs_s:.3f} s are needed"
