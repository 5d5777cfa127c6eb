from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from statistics import NormalDist

import pytest

from jobs.core.drift.drift_alarm import PSI_ALARM, DriftFinding, Spread, compare, is_drift

POINTS = [NormalDist().inv_cdf(number / 10) for number in range(1, 10)]
ALARM, QUIET = DriftFinding(0.3, 0.2, 0.1), DriftFinding(0.1, 0.2, 0.1)


def spread(values: Sequence[float], rank_error: float = 0.0) -> Spread:
    ordered = sorted(values)
    shares = [bisect_right(ordered, point) / len(ordered) for point in POINTS] if ordered else [0.0] * 9
    return Spread(len(ordered), shares, rank_error)


def drawn(count: int, shift: float = 0.0, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(shift, 1.0) for _ in range(count)]


def compared(reference: Spread, now: Spread) -> DriftFinding:
    finding = compare(reference, now)
    assert finding is not None
    return finding


REFERENCE = spread(drawn(5_000))


def test_a_shift_of_one_deviation_alarms_after_a_few_hundred_jobs() -> None:
    assert compared(REFERENCE, spread(drawn(300, 1.0, seed=2))).alarms


def test_eight_values_of_the_same_distribution_have_a_large_index_and_alarm_nobody() -> None:
    findings = [compared(REFERENCE, spread(drawn(8, seed=seed))) for seed in range(2, 102)]
    assert max(finding.psi for finding in findings) > PSI_ALARM
    assert not any(finding.alarms for finding in findings)


def test_a_small_shift_of_a_million_is_certain_and_alarms_nobody() -> None:
    reference, now = (Spread(10**6, [NormalDist(shift).cdf(x) for x in POINTS]) for shift in (0.0, 0.05))
    finding = compared(reference, now)
    assert finding.distance > finding.bound
    assert finding.psi < 0.01
    assert not finding.alarms


def test_what_a_sketch_may_be_wrong_by_is_no_shift() -> None:
    reference, now = spread(drawn(5_000), rank_error=0.2), spread(drawn(5_000, 0.6, seed=2), rank_error=0.2)
    assert not compared(reference, now).alarms
    assert compared(REFERENCE, spread(drawn(5_000, 0.6, seed=2))).alarms


def test_the_same_distribution_alarms_in_no_hour_of_a_month() -> None:
    hours = [compared(REFERENCE, spread(drawn(200, seed=seed))) for seed in range(2, 722)]
    assert sum(finding.distance > finding.bound for finding in hours) <= 1
    assert not any(finding.alarms for finding in hours)


def test_a_constant_field_that_stays_constant_is_no_shift_and_one_that_changes_is() -> None:
    same, other = spread([5.0] * 500), spread([-5.0] * 500)
    assert compared(same, spread([5.0] * 90)).psi == pytest.approx(0.0, abs=0.1)
    assert compared(same, other).alarms


def test_bins_that_both_leave_empty_do_not_raise_the_index() -> None:
    reference, now = Spread(5_000, [0.5, 1.0]), Spread(8, [0.5, 1.0])
    assert compared(reference, now).psi == pytest.approx(0.0)
    apart = [0.0, 0.5, 0.5, 0.5, 1.0, 1.0]
    assert compared(Spread(5_000, apart), Spread(8, apart)).psi == pytest.approx(0.0)


def test_the_rounding_of_shares_makes_no_bin_of_its_own() -> None:
    thirds = [0.1, 0.1 + 0.2, 1.0 - 1e-16]
    assert compared(Spread(5_000, thirds), Spread(1_000, [0.1, 0.3, 0.99])).psi < 0.05


def test_two_hours_running_are_an_alarm() -> None:
    assert is_drift([ALARM, ALARM])
    assert is_drift([QUIET, ALARM, ALARM])
    assert not is_drift([ALARM, ALARM, QUIET])
    assert not is_drift([ALARM, None, ALARM])
    assert not is_drift([ALARM])


def test_without_a_value_there_is_nothing_to_compare() -> None:
    empty = spread([])
    assert compare(REFERENCE, empty) is None
    assert compare(empty, REFERENCE) is None
