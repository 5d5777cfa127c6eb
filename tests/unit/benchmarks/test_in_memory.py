"""The benchmark's in-memory source and sink fit the worker's real pipeline: every job comes to an outcome."""

from __future__ import annotations

from tests.benchmarks import in_memory


def test_every_offered_job_is_served() -> None:
    result = in_memory.run(rate_per_s=200.0, goal_s=0.0, seconds=0.5)
    assert result["served"] == result["offered"] > 0
    assert result["refused"] == 0


def test_a_refused_job_is_not_waited_for() -> None:
    result = in_memory.run(rate_per_s=3_000.0, goal_s=0.1, seconds=1.0)
    assert result["refused"] > 0
    assert result["served"] + result["refused"] == result["offered"]
