"""Times of two versions by the size of the batch."""

from __future__ import annotations

from jobs.core.trials.size_times import SizeTimes


def test_times_are_compared_pair_by_pair() -> None:
    times = SizeTimes()
    for ours, theirs in ((2.0, 1.0), (4.0, 4.0), (9.0, 3.0)):
        times.add(8, ours, theirs)
    times.add(1, 0.5, None)
    assert times.rows() == [
        {"size": 1, "batches": 1, "candidate_s": 0.5, "stable_s": None, "ratio": None},
        {"size": 8, "batches": 3, "candidate_s": 4.0, "stable_s": 3.0, "ratio": 2.0},
    ]
