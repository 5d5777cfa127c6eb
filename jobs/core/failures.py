"""The closed set of failure kinds, an item's outcome as a value, and the fingerprint that groups failures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobs.core.fingerprint import fingerprint
from jobs.core.payloads.keyring import PLAIN


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
    """The output of one item: canonical JSON, or its sealed form as `encoding` names it."""

    body: bytes
    encoding: str = PLAIN


@dataclass(frozen=True, slots=True)
class Failure:
    """One item's failed attempt: kind, stable code, message for people, bounded traceback."""

    kind: FailureKind
    code: str
    message: str
    traceback: str = ""

    @property
    def fingerprint(self) -> str:
        """Return `kind:type:file:function`, the same for failures that look alike."""
        return fingerprint(self.kind, self.code, self.traceback)


Outcome = Success | Failure
