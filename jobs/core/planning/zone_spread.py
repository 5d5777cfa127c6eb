"""The cheapest workers over kinds and zones, so that enough are left when the largest zones are lost.

With at most `m` workers in a zone, `total` workers leave at least `total - survive * m`. For a given `m` the
cheapest places are the best choice, because the limits of zones and of kinds in them are nested. So it is
enough to try every `m`: no solver is needed, and the result is the cheapest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil, inf
from typing import NamedTuple


class DevicePlace(NamedTuple):
    """A kind of device in a zone, its price an hour, and how many are left there."""

    kind: str
    zone: str
    price_per_h: float
    most: float = inf


Spread = Mapping[tuple[str, str], int]  # workers by kind and zone


class SpreadNeed(NamedTuple):
    """How many workers there must be, and how many must be left without the `survive` largest zones."""

    workers: int
    left: int
    survive: int


def cheapest_spread(places: Sequence[DevicePlace], need: SpreadNeed) -> Spread | None:
    """Return the cheapest workers that meet the need, evenly spread where prices are equal; None: none do."""
    zones = len({place.zone for place in places})
    if not need.workers and not need.left:
        return {}
    if zones <= need.survive:
        return None
    ordered = sorted(places, key=lambda place: (place.price_per_h, place.kind, place.zone))
    best, best_cost = None, inf
    least = max(ceil(need.left / (zones - need.survive)), ceil(need.workers / zones))
    for largest in range(least, max(need.workers, need.left) + 1):
        total = max(need.workers, need.left + need.survive * largest)
        if total * ordered[0].price_per_h >= best_cost:
            break
        spread = _filled(ordered, total, largest)
        cost = _cost(ordered, spread) if spread else inf
        if spread and cost < best_cost:
            best, best_cost = spread, cost
    return best


def left_after(spread: Spread, survive: int) -> Counter[str]:
    """Return the workers by kind when the largest zones are gone."""
    by_zone = Counter[str]()
    for (_, zone), workers in spread.items():
        by_zone[zone] += workers
    lost = {zone for zone, _ in sorted(by_zone.items(), key=lambda item: (-item[1], item[0]))[:survive]}
    left = Counter[str]()
    for (kind, zone), workers in spread.items():
        if zone not in lost:
            left[kind] += workers
    return left


def _filled(ordered: Sequence[DevicePlace], total: int, largest: int) -> dict[tuple[str, str], int] | None:
    in_zone = Counter[str]()
    spread: dict[tuple[str, str], int] = {}
    missing = total
    for place in ordered:
        taken = int(min(missing, place.most, largest - in_zone[place.zone]))
        if taken > 0:
            spread[place.kind, place.zone] = taken
            in_zone[place.zone] += taken
            missing -= taken
    return None if missing else spread


def _cost(ordered: Sequence[DevicePlace], spread: Spread) -> float:
    return sum(place.price_per_h * spread.get((place.kind, place.zone), 0) for place in ordered)
