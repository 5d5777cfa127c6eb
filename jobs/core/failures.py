"""The closed set of failure kinds, an item's outcome as a value, and the fingerprint that groups failures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why an attempt failed; the set is closed and each kind has one policy."""

    INVALID = "invalid"
    TRANSIENT = "transient"
    RESOURCE = "resource"
    TIMEOUT = "timeout"
    CRASH = "crash"
    POISON = "poison"
    REFUSED = "refused"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Success:
    """One item's output, as canonical JSON bytes."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """One item's failed attempt: kind, stable code, message for people, bounded traceback."""

    kind: FailureKind
    code: str
    message: str
    traceback: str = ""

    @property
    def fingerprint(self) -> str:
        """Return `kind:code:last frame`, the same for failures that look alike."""
        frames = [line.strip() for line in self.traceback.splitlines() if line.lstrip().startswith("File ")]
        return f"{self.kind}:{self.code}:{frames[-1] if frames else '-'}"[:255]


Outcome = Success | Failure
