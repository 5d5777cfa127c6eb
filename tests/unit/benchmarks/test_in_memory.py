"""The benchmark's in-memory source and sink fit the worker's real pipeline: every job comes to an outcome."""

from __future__ import annotations

from tests.benchmarks import in_memory


def test_all_that_is_offered_is_served() -> None:
    told = in_memory.run(rate_per_s=200.0, goal_s=0.0, seconds=0.5)
    assert told["served"] == told["offered"] > 0
    assert told["refused"] == 0


def test_what_is_refused_is_not_waited_for() -> None:
    told = in_memory.run(rate_per_s=3_000.0, goal_s=0.1, seconds=1.0)
    assert told["refused"] > 0
    assert told["served"] + told["refused"] == told["offered"]
