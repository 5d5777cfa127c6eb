"""The search, on workloads whose best setting is known by arithmetic or by trying all."""

from __future__ import annotations

import random

import pytest

from jobs.core.simulation.plan import Timing
from jobs.core.tuning.search import search, sustained
from jobs.core.tuning.setting_space import SettingSpace, TunedSetting
from tests.unit.jobs.core.tuning.workloads import bench_of, workload

BATCHES = (1, 2, 4, 8, 16, 32, 64)


def test_where_a_run_costs_the_same_whatever_it_holds_the_largest_batch_is_best() -> None:
    space = SettingSpace(max_batch=BATCHES)
    best = search(space, bench_of(workload(Timing(0.05))), random.Random(1).random)
    assert best is not None
    assert best.setting.max_batch == 64
    assert best.rate_per_s > 0.6 * 64 / 0.05


def test_where_each_item_costs_its_own_the_batch_gains_nothing_and_the_rate_is_that_of_one_item() -> None:
    best = search(
        SettingSpace(max_batch=BATCHES), bench_of(workload(Timing(0.0, 0.01))), random.Random(1).random
    )
    assert best is not None
    assert 60.0 < best.rate_per_s < 100.0


def test_of_a_model_that_pads_the_search_finds_what_trying_all_finds() -> None:
    own = workload(Timing(0.01, 0.0002), sizes=(10, 20, 30, 80), padded=True)
    space = SettingSpace(max_batch=(2, 16), max_padded_size=(0, 300))
    best = search(space, bench_of(own), random.Random(1).random)
    assert best is not None
    each = [sustained(setting, best.rate_per_s, bench_of(own)) for setting in space]
    assert best.rate_per_s >= 0.93 * max(one.rate_per_s for one in each if one is not None)


def test_a_goal_below_the_fixed_time_of_a_run_has_no_setting() -> None:
    bench = bench_of(workload(Timing(0.3)))
    assert search(SettingSpace(max_batch=BATCHES), bench, random.Random(1).random) is None
    assert min(one.latency_s for one in bench.answers) > 0.3


def test_what_gains_nothing_is_left_at_the_products_own_choice() -> None:
    space = SettingSpace(max_batch=BATCHES, prefetch=(0, 512, 256))
    best = search(space, bench_of(workload(Timing(0.05))), random.Random(4).random)
    assert best is not None
    assert best.setting.prefetch == 0


def test_the_highest_rate_is_the_same_from_below_and_from_above() -> None:
    own, setting = workload(Timing(0.02, 0.001)), TunedSetting(16)
    bench, most_per_s = bench_of(own), own.most_per_s(setting, 1)
    found = [sustained(setting, start * most_per_s, bench) for start in (0.1, 0.9)]
    rates = [best.rate_per_s for best in found if best is not None and bench.meets(best.answer)]
    assert rates == [pytest.approx(rates[0], rel=0.05)] * 2
    assert 0.9 * most_per_s < rates[0] <= most_per_s


def test_settings_that_cannot_reach_a_rate_are_not_simulated() -> None:
    bench = bench_of(workload(Timing(0.1)))
    assert (
        bench.screen([TunedSetting(1), TunedSetting(64)], 20.0, jobs=50)[0].question.setting.max_batch == 64
    )
    assert bench.simulated == 50
