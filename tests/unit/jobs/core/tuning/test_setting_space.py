"""The space of settings: its size, a spread that covers it, and who is next to whom."""

from __future__ import annotations

import random

from jobs.core.tuning.setting_space import SettingSpace, TunedSetting

SPACE = SettingSpace(
    max_batch=(1, 2, 4, 8, 16), max_padded_size=(0, 400, 200), lanes=(1, 2), prefetch=(0, 64, 16)
)


def test_the_space_is_every_combination_once() -> None:
    settings = list(SPACE)
    assert len(SPACE) == len(settings) == len(set(settings)) == 5 * 3 * 2 * 3


def test_a_spread_has_every_step_of_every_axis_about_as_often() -> None:
    spread = SPACE.spread(30, random.Random(1).random)
    assert len(set(spread)) == len(spread) > 20
    for axis, steps in (("max_batch", 5), ("lanes", 2), ("prefetch", 3)):
        counts = [sum(getattr(one, axis) == step for one in spread) for step in getattr(SPACE, axis)]
        assert min(counts) >= 0.6 * len(spread) / steps, axis


def test_a_small_space_is_spread_whole() -> None:
    assert SPACE.spread(90, random.Random(1).random) == list(SPACE)


def test_neighbours_are_one_step_away_and_in_the_space() -> None:
    own = TunedSetting(4, 400, 1, 0)
    near = SPACE.neighbours(own)
    assert own not in near
    assert set(near) <= set(SPACE)
    assert TunedSetting(8, 400, 1, 0) in near
    assert TunedSetting(4, 400, 2, 0) in near
    assert TunedSetting(8, 200, 1, 0) in near
    assert TunedSetting(4, 400, 1, 16) not in near


def test_an_axis_ends_where_it_ends() -> None:
    assert SPACE.moved(TunedSetting(16, 0, 1, 0), {"max_batch": 3}) == TunedSetting(16, 0, 1, 0)
    assert SPACE.moved(TunedSetting(16, 0, 1, 16), {"prefetch": -9}).prefetch == 0
