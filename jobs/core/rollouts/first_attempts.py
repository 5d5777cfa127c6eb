"""What a first attempt says of a version: it answered, it failed, it refused the input, or nothing. Pure.

Nothing is said by what the platform itself could not do, such as reading a payload. A batch that failed as a
whole, because its version could not be loaded or lacked memory or time, is one failure, not one a job.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from jobs.core.circuits.tally import BLAMED
from jobs.core.errors import EncryptionUnavailableError, PayloadUnreadableError, UnavailableError
from jobs.core.failures import Failure, FailureKind, Outcome


class AttemptFinding(StrEnum):
    """What one first attempt says of its version."""

    ANSWERED = "answered"
    FAILED = "failed"
    REFUSED = "refused"


def _codes(error: type[PayloadUnreadableError]) -> set[str]:
    return {error.code}.union(*(_codes(kind) for kind in error.__subclasses__()))


PLATFORM_CODES = frozenset(
    _codes(PayloadUnreadableError) | {UnavailableError.code, EncryptionUnavailableError.code}
)
_OF_A_WHOLE_BATCH = frozenset({FailureKind.RESOURCE, FailureKind.TIMEOUT, FailureKind.CRASH})


def finding_of(outcome: Outcome) -> AttemptFinding | None:
    """Return what an outcome says of the version; None where the platform failed."""
    if not isinstance(outcome, Failure):
        return AttemptFinding.ANSWERED
    if outcome.code in PLATFORM_CODES:
        return None
    if outcome.kind is FailureKind.INVALID:
        return AttemptFinding.REFUSED
    return AttemptFinding.FAILED if outcome.kind in BLAMED else AttemptFinding.ANSWERED


def is_broken(outcomes: Collection[Outcome], *, unprepared: bool) -> bool:
    """Return whether a batch failed as a whole: it was `unprepared`, or all lacked the same thing."""
    ways = {(o.kind, o.code) if isinstance(o, Failure) else None for o in outcomes}
    if len(ways) != 1 or None in ways:
        return False
    (way,) = ways
    return way is not None and (unprepared or way[0] in _OF_A_WHOLE_BATCH)
