"""What the copies of a shadow have shown so far, as its row keeps it; counts of two workers add up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from jobs.core.trials.backtest_counts import BacktestCounts, Skipped, largest_differences
from jobs.core.trials.label_counts import LabelCounts
from jobs.core.trials.size_times import SizeTimes


class ShadowCounts(Struct):
    """Copies that both versions ran, counted as a backtest counts; `noise_*` are the stable against itself.

    `too_long_s` is the time of one copy where the rule's limit allows none.
    """

    pairs: BacktestCounts = msgspec.field(default_factory=BacktestCounts)
    noise_compared: int = 0
    noise_agreed: int = 0
    too_long_s: float | None = None

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON that `of` reads back."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document

    @classmethod
    def of(cls, document: Any) -> ShadowCounts:
        """Read what was stored; nothing counted where that is empty."""
        return msgspec.convert(document or {}, cls)

    def plus(self, more: ShadowCounts) -> ShadowCounts:
        """Return both added up."""
        return ShadowCounts(
            _pairs(self.pairs, more.pairs),
            self.noise_compared + more.noise_compared,
            self.noise_agreed + more.noise_agreed,
            more.too_long_s,
        )


def _pairs(first: BacktestCounts, more: BacktestCounts) -> BacktestCounts:
    return BacktestCounts(
        done=first.done + more.done,
        ran=first.ran + more.ran,
        skipped=Skipped(**_sums(msgspec.structs.asdict(first.skipped), msgspec.structs.asdict(more.skipped))),
        candidate_failed=_sums(first.candidate_failed, more.candidate_failed),
        stable_failed=_sums(first.stable_failed, more.stable_failed),
        candidate_alone_failed=first.candidate_alone_failed + more.candidate_alone_failed,
        stable_alone_failed=first.stable_alone_failed + more.stable_alone_failed,
        compared=first.compared + more.compared,
        agreed=first.agreed + more.agreed,
        times=_times(first.times, more.times),
        between=_labels(first.between, more.between),
        differences=largest_differences([*first.differences, *more.differences]),
    )


def _times(first: SizeTimes, more: SizeTimes) -> SizeTimes:
    times = SizeTimes({size: list(pairs) for size, pairs in first.by_size.items()})
    for size, pairs in more.by_size.items():
        for ours_s, theirs_s in pairs:
            times.add(int(size), ours_s, theirs_s)
    return times


def _labels(first: LabelCounts, more: LabelCounts) -> LabelCounts:
    labels = LabelCounts({right: dict(row) for right, row in first.counts.items()}, first.without)
    for right, row in more.counts.items():
        for answered, number in row.items():
            labels.add(right, answered, number)
    labels.without += more.without
    return labels


def _sums(first: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + more.get(name, 0) for name in {**first, **more}}
