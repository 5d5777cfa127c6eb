"""The result of duels in a sentence. Pure."""

from __future__ import annotations

from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence


def duel_sentence(duels: DuelEvidence, *, all_run: bool) -> str:
    """Return the counts for people; `all_run` means that no more inputs are stored."""
    if not duels.pairs:
        return "No stored input was there to run."
    parts = [
        f"{duels.pairs:,} inputs were run by both versions",
        f"the candidate alone failed {duels.candidate_failed:,}, the stable alone {duels.stable_failed:,}",
    ]
    if duels.compared:
        parts.append(f"{duels.agreed:,} of {duels.compared:,} outputs agree")
    if duels.noise_compared:
        share = duels.noise_agreed / duels.noise_compared
        parts.append(f"of the stable version with itself {100 * share:.1f} %")
    if duels.timed:
        parts.append(f"it took longer than is allowed in {duels.slower:,} of {duels.timed:,} batches")
    words = "; ".join(parts)
    return f"{words}. No more inputs are stored." if all_run else f"{words}."
