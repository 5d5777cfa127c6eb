"""The upper bound of a percentile: its arithmetic, and how often it covers the truth."""

from __future__ import annotations

from math import inf, sqrt

import pytest

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.plan import Timing
from jobs.core.simulation.report import SimulationReport
from jobs.core.tuning.evaluation import Question, answer
from jobs.core.tuning.latency_bound import percentile_s, upper_bound
from jobs.core.tuning.setting_space import TunedSetting
from tests.unit.jobs.core.tuning.workloads import workload


def report_of(latencies_s: list[float], offered: int | None = None) -> SimulationReport:
    report = SimulationReport(offered=len(latencies_s) if offered is None else offered)
    report.latencies_s.extend(latencies_s)
    return report


def test_the_first_tenth_is_not_measured() -> None:
    assert percentile_s(report_of([9.0] * 10 + [1.0] * 90), 95.0) == 1.0


def test_the_end_is_not_measured_because_batches_there_wait_for_no_further_job() -> None:
    assert percentile_s(report_of([2.0] * 95 + [9.0] * 5), 99.9) == 2.0
    assert percentile_s(report_of([2.0] * 94 + [9.0] * 6), 99.9) == 9.0


def test_jobs_without_a_result_count_as_slower_than_all() -> None:
    assert percentile_s(report_of([1.0] * 94, offered=100), 95.0) == inf
    assert percentile_s(report_of([1.0] * 96, offered=100), 95.0) == 1.0


def test_the_bound_is_students_t_over_the_estimates() -> None:
    assert upper_bound([1.0, 2.0, 3.0]) == pytest.approx(2.0 + 2.920 / sqrt(3.0))
    assert upper_bound([1.0]) == inf
    assert upper_bound([1.0, inf]) == inf
    assert upper_bound([1.0] * 50) == 1.0


def test_the_bound_covers_the_percentile_of_a_fresh_long_trace_in_19_of_20_cases_and_is_not_loose() -> None:
    own, setting = workload(Timing(0.02, 0.002, jitter=0.2)), TunedSetting(16)
    goal = LoadGoal(95.0, 10.0)
    rate = 0.75 * own.most_per_s(setting, 1)
    truth = answer(own, goal, Question(setting, rate, 1, 1, 12_000, first=900)).latency_s
    bounds = [answer(own, goal, Question(setting, rate, 1, 5, 200, first=5 * n)).upper_s for n in range(16)]
    assert sum(truth <= bound for bound in bounds) >= 14  # the mean alone covers some 8
    assert sum(bounds) / len(bounds) < 1.3 * truth


def test_equal_questions_have_equal_answers_and_shorter_traces_begin_longer_ones() -> None:
    own = workload(Timing(0.02, 0.002, jitter=0.2))
    question = Question(TunedSetting(8), 100.0, 1, 2, 300)
    assert answer(own, LoadGoal(95.0, 1.0), question) == answer(own, LoadGoal(95.0, 1.0), question)
    short, long = own.arrivals(3, 100, 5.0), own.arrivals(3, 500, 5.0)
    assert [arrival.at_s for arrival in short] == [arrival.at_s for arrival in long[:100]]
