"""The spread is the cheapest: compared with every spread there is."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import inf
from random import Random

import pytest

from jobs.core.planning.zone_spread import DevicePlace, SpreadNeed, cheapest_spread, left_after


def cost(places: list[DevicePlace], counts: list[int]) -> float:
    return sum(place.price_per_h * count for place, count in zip(places, counts, strict=True))


def holds(places: list[DevicePlace], counts: list[int], need: SpreadNeed) -> bool:
    by_zone = Counter[str]()
    for place, count in zip(places, counts, strict=True):
        by_zone[place.zone] += count
    lost = sum(count for _, count in by_zone.most_common(need.survive))
    return sum(counts) >= need.workers and sum(counts) - lost >= need.left


def by_force(places: list[DevicePlace], need: SpreadNeed) -> float:
    ranges = [range(int(min(place.most, need.workers + need.left)) + 1) for place in places]
    return min((cost(places, list(c)) for c in product(*ranges) if holds(places, list(c), need)), default=inf)


@pytest.mark.parametrize("seed", range(25))
def test_no_other_spread_is_cheaper(seed: int) -> None:
    draw = Random(seed)
    places = [
        DevicePlace(kind, zone, draw.choice((1.0, 1.5, 2.0, 4.0)), draw.randint(1, 5))
        for kind, zone in (("x", "a"), ("x", "b"), ("x", "c"), ("y", "a"), ("y", "b"))
    ]
    need = SpreadNeed(draw.randint(1, 5), draw.randint(0, 4), draw.randint(0, 2))
    spread = cheapest_spread(places, need)
    if spread is None:
        assert by_force(places, need) == inf
        return
    counts = [spread.get((place.kind, place.zone), 0) for place in places]
    assert holds(places, counts, need)
    assert cost(places, counts) == pytest.approx(by_force(places, need))


def test_equal_prices_are_spread_evenly() -> None:
    places = [DevicePlace("x", zone, 1.0) for zone in "abc"]
    spread = cheapest_spread(places, SpreadNeed(9, 0, 0))
    assert spread == {("x", "a"): 3, ("x", "b"): 3, ("x", "c"): 3}


def test_without_its_largest_zone_enough_are_left() -> None:
    spread = cheapest_spread([DevicePlace("x", zone, 1.0) for zone in "abc"], SpreadNeed(5, 7, 1))
    assert spread is not None
    assert left_after(spread, 1).total() >= 7
    assert sum(spread.values()) == 11


def test_one_zone_cannot_be_lost() -> None:
    assert cheapest_spread([DevicePlace("x", "a", 1.0)], SpreadNeed(1, 1, 1)) is None
