"""Averages of e-values, taken on their logs."""

from __future__ import annotations

from math import exp, log

import pytest

from models_registry.core.rollouts.statistics.mixture import e_value, log_mixture


def test_it_is_the_weighted_mean() -> None:
    assert exp(log_mixture([log(2.0), log(10.0)], [0.25, 0.75])) == pytest.approx(8.0)


def test_it_neither_overflows_nor_vanishes() -> None:
    assert log_mixture([5_000.0, -5_000.0], [0.5, 0.5]) == pytest.approx(5_000.0 + log(0.5))
    assert e_value(5_000.0) == e_value(600.0)
    assert e_value(-5_000.0) == 0.0
