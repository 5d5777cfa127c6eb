"""The learned service time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.batching.service_time import ServiceTime


def test_a_line_is_learned() -> None:
    service = ServiceTime()
    for size in [8, 16, 32, 64, 8, 48]:
        service.observe(size, 0.005 + 0.0001 * size)
    assert service.fixed_s == pytest.approx(0.005)
    assert service.per_unit_s == pytest.approx(0.0001)
    assert service.seconds(100) == pytest.approx(0.015)


def test_old_runs_are_forgotten() -> None:
    service = ServiceTime()
    for size in [8, 16, 32, 64] * 50:
        service.observe(size, 0.5)
    for size in [8, 16, 32, 64] * 50:
        service.observe(size, 0.001 * size)
    assert service.seconds(64) == pytest.approx(0.064, rel=0.1)


@given(st.lists(st.tuples(st.integers(1, 100_000), st.floats(0, 100)), min_size=1, max_size=50))
def test_no_history_predicts_a_negative_or_endless_time(runs: list[tuple[int, float]]) -> None:
    service = ServiceTime()
    for size, seconds in runs:
        service.observe(size, seconds)
    assert 0 <= service.fixed_s <= 101
    assert 0 <= service.per_unit_s <= 101
