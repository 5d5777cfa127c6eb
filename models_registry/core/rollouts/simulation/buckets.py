"""Which buckets are whose at a share, and which of them the judge counts: as the tick's contract has it."""

from __future__ import annotations

from typing import NamedTuple

from models_registry.core.rollouts.judging.exposure import PPM


class Buckets(NamedTuple):
    """The first bucket above each group; from `before_baseline` up they are the baseline's."""

    counted_ours: int
    ours: int
    counted_theirs: int
    before_baseline: int


def buckets_at(share_ppm: int, sampled: float, *, baseline: bool, baking: bool) -> Buckets:
    """Return the groups; the larger side is sampled to `sampled` times the smaller one."""
    if baking:
        return Buckets(min(share_ppm, round(sampled * (PPM - share_ppm))), share_ppm, PPM, PPM)
    before_baseline = PPM - share_ppm if baseline else PPM
    counted_theirs = min(before_baseline, round(share_ppm * (1.0 + sampled)))
    return Buckets(share_ppm, share_ppm, counted_theirs, before_baseline)
