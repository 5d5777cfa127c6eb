"""The closed set of failure kinds, an item's outcome as a value, and the fingerprint that groups failures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobs.core.fingerprint import MOST_CHARS, NOWHERE, fingerprint
from jobs.core.payloads.keyring import PLAIN
from jobs.core.payloads.sealed_words import SealedWords


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
    """The output of one item as it is stored, or its sealed form as `encoding` names it."""

    body: bytes
    encoding: str = PLAIN


@dataclass(frozen=True, slots=True)
class Known:
    """What of an exception comes from loaded code, and so from no input: a code, and `file:function`."""

    code: str
    place: str = NOWHERE


@dataclass(frozen=True, slots=True)
class Failure:
    """One item's failed attempt: kind, stable code, message for people, bounded traceback.

    `known` is None where the platform raised it, not a model. `words` are the model's own, sealed, where
    message and traceback are not to be shown.
    """

    kind: FailureKind
    code: str
    message: str
    traceback: str = ""
    known: Known | None = None
    words: SealedWords | None = None

    @property
    def fingerprint(self) -> str:
        """Return `kind:type:file:function`, the same for failures that look alike."""
        if self.known is not None and not self.traceback:  # it was taken away
            return f"{self.kind}:{self.known.code}:{self.known.place}"[:MOST_CHARS]
        return fingerprint(self.kind, self.code, self.traceback)


Outcome = Success | Failure
