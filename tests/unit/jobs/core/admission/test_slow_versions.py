"""Which jobs of a model go to its slow lane, by options and recent runs."""

from __future__ import annotations

from dataclasses import replace

from jobs.core.admission.slow_versions import LaneOptions, RunLine, slow_sizes
from jobs.core.batching.lane_choice import Lane

FAST = LaneOptions(1, "m", Lane.FAST, None, padded=False, max_batch=8, max_padded_size=0)
AUTO = replace(FAST, version=2, lane=Lane.AUTO)
QUICK, LONG = RunLine(0.05, 8, 0.01, 0.005), RunLine(2.0, 8, 1.0, 0.2)


def test_without_slow_versions_no_job_is_slow() -> None:
    assert slow_sizes([FAST, AUTO], {1: LONG, 2: QUICK}, {}) == {}


def test_every_job_of_a_slow_version_is_slow_before_it_has_run() -> None:
    assert slow_sizes([FAST, replace(FAST, version=3, lane=Lane.SLOW)], {}, {}) == {3: 0}


def test_a_judged_version_is_slow_by_its_full_batch_beside_the_fastest() -> None:
    assert slow_sizes([FAST, AUTO], {1: QUICK, 2: LONG}, {}) == {2: 0}
    assert slow_sizes([FAST, AUTO], {2: LONG}, {}) == {}
    assert slow_sizes([FAST, AUTO], {1: QUICK}, {2: 0}) == {2: 0}, "what was judged stands without a run"


def test_a_line_is_not_drawn_further_than_to_the_largest_batch_that_ran() -> None:
    small = RunLine(0.25, 1, 0.05, 0.2)
    assert slow_sizes([FAST, AUTO], {1: RunLine(0.01, 8), 2: small}, {}) == {}
    assert slow_sizes([FAST, AUTO], {1: RunLine(0.01, 8), 2: replace(small, largest=8)}, {}) == {2: 0}


def test_large_inputs_of_a_fast_version_are_slow() -> None:
    padded = replace(FAST, padded=True, slow_above_s=2.0)
    assert slow_sizes([padded], {1: RunLine(0.5, 400, 1.0, 0.01)}, {}) == {1: 100}
    assert slow_sizes([padded], {}, {}) == {}, "nothing is predicted before the first run"
    assert slow_sizes([padded], {}, {1: 100}) == {1: 100}


def test_a_line_that_falls_is_no_prediction() -> None:
    padded = replace(FAST, padded=True, slow_above_s=2.0)
    assert slow_sizes([padded], {1: RunLine(0.5, 400, 3.0, -0.01)}, {}) == {}
    assert slow_sizes([padded], {1: RunLine(2.5, 400)}, {}) == {1: 0}
