"""From a goal to settings or to why there are none."""

from __future__ import annotations

import random

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.plan import Timing
from jobs.core.tuning.evaluation import Question, answer
from jobs.core.tuning.front import front
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


def test_the_front_has_only_answers_that_no_other_beats_in_both() -> None:
    bench = bench_of(workload(RUN), goal=LoadGoal(95.0, 1.0))
    answers = bench.measure(list(SPACE), [50.0, 150.0, 250.0, 350.0])
    best = front(answers)
    assert best
    assert sorted(best, key=lambda one: one.throughput_per_s) == best
    assert sorted(best, key=lambda one: one.upper_s) == best
    for one in best:
        assert not any(
            other.throughput_per_s > one.throughput_per_s and other.upper_s < one.upper_s for other in answers
        )
