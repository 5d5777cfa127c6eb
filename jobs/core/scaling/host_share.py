"""How hosts share the workers that a group of models needs. Pure.

Every autoscaler reads the same rows under one lock and decides for its own host alone. What a host has stays
there: a missing worker goes to the host with the fewest, one too many leaves the host with the most, and
hosts of equal number follow each other by name. So no worker moves only to even out the hosts, and hosts that
read one after the other never start a worker twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScaledHost:
    """A host with a live autoscaler: the bounds of its workers, and how many it last decided to have."""

    host: str
    lowest: int
    highest: int
    target: int = 0

    @property
    def bounded(self) -> int:
        """Return the last decision within the bounds, the upper of which goes first."""
        return min(max(self.target, self.lowest), self.highest)


def shares(needed: int, hosts: Iterable[ScaledHost]) -> dict[str, int]:
    """Return the workers of each host, so that all together have `needed`, as far as the bounds allow."""
    by_name = {host.host: host for host in hosts}
    numbers = {name: host.bounded for name, host in by_name.items()}
    missing = needed - sum(numbers.values())
    for _ in range(missing):
        room = [name for name in numbers if numbers[name] < by_name[name].highest]
        if not room:
            break
        numbers[min(room, key=lambda name: (numbers[name], name))] += 1
    for _ in range(-missing):
        spare = [name for name in numbers if numbers[name] > min(by_name[name].lowest, by_name[name].highest)]
        if not spare:
            break
        numbers[max(spare, key=lambda name: (numbers[name], name))] -= 1
    return numbers
