"""What follows a failed attempt: a decision as a value; it publishes nothing and knows no clock."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.core.failures import FailureKind

_NEVER = frozenset({FailureKind.INVALID, FailureKind.POISON, FailureKind.REFUSED})


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Run the job again once `delay_s` seconds have passed."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Bury the job; `reason` says why there is no further attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a delay of `random(0, min(cap, base * 2^n))` seconds after the n-th failed attempt."""

    base_s: float = 0.5
    cap_s: float = 60.0

    def delay_s(self, attempts: int, chance: float) -> float:
        """Return the delay after `attempts` >= 1 failed attempts, with `chance` in [0, 1)."""
        return chance * min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, 32))


def decide(
    kind: FailureKind, *, attempts: int, max_attempts: int, backoff: Backoff, chance: float
) -> RetryAfter | DeadLetter:
    """Decide what follows a failure of `kind` on attempt number `attempts` of at most `max_attempts`."""
    if kind in _NEVER:
        return DeadLetter(f"a failure of kind {kind} is not retried")
    if attempts >= max_attempts:
        return DeadLetter(f"attempt {attempts} of {max_attempts} was the last")
    return RetryAfter(backoff.delay_s(attempts, chance))
