"""What duels have shown of a candidate: counts, which add up. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from models_registry.core.registry_errors import EvidenceError


class DuelEvidence(Struct, frozen=True):
    """Counts of duels; a pair is an input that both versions ran, each input once.

    A batch that failed as a whole on one side is one pair. Timed are batches: `slower` counts those in which
    the candidate took longer than the plan's `slower` times the stable version. `noise_*` count stable
    against stable.
    """

    pairs: int = 0
    candidate_failed: int = 0  # where the stable version answered
    stable_failed: int = 0  # where the candidate answered
    timed: int = 0
    slower: int = 0
    compared: int = 0  # pairs that both answered, where there is a way to compare
    agreed: int = 0
    noise_compared: int = 0
    noise_agreed: int = 0
    noise_timed: int = 0
    noise_slower: int = 0
    seconds: float = 0.0  # of device time that the pairs took

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON that `of` reads back exactly."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document

    @classmethod
    def of(cls, document: Any) -> DuelEvidence:
        """Read what was stored; EvidenceError where it is something else."""
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise EvidenceError(f"The stored duels of a roll-out cannot be read: {error}.") from None


_PARTS = (
    ("candidate_failed", "pairs"),
    ("stable_failed", "pairs"),
    ("slower", "timed"),
    ("agreed", "compared"),
    ("compared", "pairs"),
    ("noise_agreed", "noise_compared"),
    ("noise_slower", "noise_timed"),
)


def with_duels(evidence: DuelEvidence, more: DuelEvidence) -> DuelEvidence:
    """Return both added up; EvidenceError where a part of `more` is below 0 or above its whole."""
    counts, added = msgspec.structs.asdict(evidence), msgspec.structs.asdict(more)
    if min(added.values()) < 0 or any(added[part] > added[whole] for part, whole in _PARTS):
        raise EvidenceError("A count of duels is below 0 or larger than the count it is a part of.")
    return DuelEvidence(**{name: counts[name] + added[name] for name in counts})
