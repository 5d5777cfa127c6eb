"""The interval of a rate."""

from __future__ import annotations

import pytest

from models_registry.core.rollouts.statistics.rate_interval import rate_interval


@pytest.mark.parametrize(
    ("failed", "seen", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 10, 0.0179, 0.4042), (50, 100, 0.4038, 0.5962), (10, 10, 0.7225, 1.0)],
)
def test_it_is_wilson_s(failed: int, seen: int, low: float, high: float) -> None:
    assert rate_interval(failed, seen) == pytest.approx((low, high), abs=5e-4)


def test_of_nothing_everything_is_possible() -> None:
    assert rate_interval(0, 0) == (0.0, 1.0)
