"""From a goal to settings or to why there are none."""

from __future__ import annotations

import random

import pytest

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.plan import Timing
from jobs.core.simulation.world import simulate
from jobs.core.tuning.evaluation import Question, answer
from jobs.core.tuning.front import curves, front
from jobs.core.tuning.latency_bound import percentile_s
from jobs.core.tuning.setting_space import SettingSpace, TunedSetting
from jobs.core.tuning.tune import Infeasible, Tuned, least_workers, tune, tune_workers
from tests.unit.jobs.core.tuning.workloads import GOAL, bench_of, workload

SPACE = SettingSpace(max_batch=(1, 4, 8, 16, 32))
RUN = Timing(0.02, 0.002)  # 32 items in 0.084 s: at most 381/s of a worker


def test_a_rate_within_reach_is_met_by_the_bound_and_checked_with_fresh_numbers() -> None:
    bench = bench_of(workload(RUN))
    outcome = tune(SPACE, bench, random.Random(1).random, 150.0)
    assert isinstance(outcome, Tuned)
    assert outcome.asked.question.rate_per_s == 150.0
    assert outcome.asked.upper_s <= GOAL.limit_s
    assert outcome.highest.upper_s <= GOAL.limit_s
    assert outcome.asked.question.first == outcome.highest.question.first == 1_000
    assert 250.0 < outcome.highest.question.rate_per_s < 381.0


def test_a_rate_beyond_reach_says_how_many_workers_would_do_and_they_do() -> None:
    own = workload(RUN)
    outcome = tune(SPACE, bench_of(own), random.Random(1).random, 1_000.0)
    assert isinstance(outcome, Infeasible)
    assert outcome.workers in {3, 4}
    assert outcome.best_s > GOAL.limit_s
    more = tune(SPACE, bench_of(own, workers=outcome.workers), random.Random(1).random, 1_000.0)
    assert isinstance(more, Tuned)


def test_a_rate_that_would_take_too_many_workers_is_not_simulated_with_them() -> None:
    bench = bench_of(workload(RUN))
    assert least_workers(TunedSetting(max_batch=32), 300.0, 1e9, bench) is None
    assert not bench.simulated


def test_workers_that_would_do_are_more_than_those_that_do_not() -> None:
    own = workload(RUN)
    highest = tune(SPACE, bench_of(own), random.Random(1).random, None)
    assert isinstance(highest, Tuned)
    for share in (1.005, 1.02):  # there the search's own random numbers may call one worker enough
        outcome = tune(
            SPACE, bench_of(own), random.Random(1).random, share * highest.highest.question.rate_per_s
        )
        assert isinstance(outcome, Infeasible)
        assert outcome.workers == 2


def test_a_rate_beyond_any_number_of_workers_is_infeasible_at_once() -> None:
    bench = bench_of(workload(RUN))
    outcome = tune(SPACE, bench, random.Random(1).random, 1e12)
    assert isinstance(outcome, Infeasible)
    assert outcome.workers is None
    assert outcome.most_per_s > 250.0
    assert max(one.question.workers for one in bench.answers) == 1


def test_many_workers_are_as_many_as_their_load_takes() -> None:
    """Short traces of many workers would hide that the backlog grows: so a group of them is simulated."""
    own, goal = workload(RUN), LoadGoal(95.0, 0.09)
    outcome = tune_workers(SPACE, bench_of(own, goal=goal), random.Random(1).random, 8_000.0)
    assert isinstance(outcome, Tuned)
    arrivals = own.arrivals(7, 16_000, 8_000.0)
    enough, fewer = (
        percentile_s(simulate(own.plan(outcome.setting, workers), arrivals, own.chance(7)), 95.0)
        for workers in (outcome.workers, round(0.85 * outcome.workers))
    )
    assert enough < goal.limit_s < fewer


def test_of_many_workers_a_group_is_simulated_with_its_share_of_the_rate() -> None:
    own, setting = workload(RUN), TunedSetting(16)
    group = answer(own, GOAL, Question(setting, 800.0, 4, 3, 500))
    many = answer(own, GOAL, Question(setting, 8_000.0, 40, 3, 500))
    assert many.estimates_s == group.estimates_s
    assert many.simulated == group.simulated
    assert many.throughput_per_s == pytest.approx(10 * group.throughput_per_s)


def test_a_goal_below_the_fixed_time_is_infeasible_with_any_number_of_workers() -> None:
    outcome = tune(SPACE, bench_of(workload(Timing(0.5))), random.Random(1).random, 1.0)
    assert isinstance(outcome, Infeasible)
    assert outcome.workers is None
    assert outcome.most_per_s == 0.0
    assert 0.5 < outcome.best_s < 1.0


def test_the_fewest_workers_meet_the_goal_and_one_fewer_does_not() -> None:
    own = workload(RUN)
    outcome = tune_workers(SPACE, bench_of(own), random.Random(1).random, 1_000.0)
    assert isinstance(outcome, Tuned)
    assert outcome.workers in {3, 4}
    assert outcome.asked.upper_s <= GOAL.limit_s
    fewer = Question(outcome.setting, 1_000.0, outcome.workers - 1, 4, 800)
    assert answer(own, GOAL, fewer).upper_s > GOAL.limit_s


def test_the_curves_are_of_different_batches_at_rates_that_these_keep_up_with() -> None:
    space = SettingSpace(max_batch=(16, 32), prefetch=(0, 1_024), depth=(0, 2_048))
    bench = bench_of(workload(RUN))
    outcome = tune(space, bench, random.Random(1).random, None)
    assert isinstance(outcome, Tuned)
    drawn = curves(outcome.setting, outcome.highest.question.rate_per_s, bench)
    settings = list(dict.fromkeys(one.question.setting for one in drawn))
    assert settings[0] == outcome.setting
    assert all(one.question.rate_per_s <= bench.most_per_s(one.question.setting) for one in drawn)
    assert sorted(one.max_batch for one in settings) in ([16, 32], [16], [32])


def test_the_front_has_only_answers_that_no_other_beats_in_both() -> None:
    bench = bench_of(workload(RUN), goal=LoadGoal(95.0, 1.0))
    answers = bench.measure(list(SPACE), [50.0, 150.0, 250.0, 350.0])
    best = front(answers)
    assert best
    assert sorted(best, key=lambda one: one.question.rate_per_s) == best
    assert sorted(best, key=lambda one: one.upper_s) == best
    for one in best:
        assert not any(
            other.question.rate_per_s > one.question.rate_per_s and other.upper_s < one.upper_s
            for other in answers
        )
