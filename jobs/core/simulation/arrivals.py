"""Simulated jobs and when they arrive: generated from a rate, or given as recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, log1p

import msgspec

from jobs.core.priority import DEFAULT

Chance = Callable[[], float]  # the next of a sequence of uniform numbers in [0, 1)


class Arrival(msgspec.Struct, frozen=True, eq=False):
    """One job: its submit time, its properties, and after how many seconds its answer is of no use."""

    at_s: float
    size: int = 1
    priority: int = DEFAULT
    client: int = 0
    version: int = 0
    deadline_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Mix:
    """The properties of generated jobs: each drawn evenly from its choices, sizes from a range."""

    sizes: tuple[int, int] = (1, 1)
    priorities: tuple[int, ...] = (DEFAULT,)
    clients: int = 1
    deadline_in_s: float | None = None

    def arrival(self, at_s: float, chance: Chance) -> Arrival:
        """Return a random job that arrives at `at_s`."""
        low, high = self.sizes
        size = low if low == high else low + int(chance() * (high - low + 1))
        client = int(chance() * self.clients) if self.clients > 1 else 0
        choices = self.priorities
        priority = choices[0] if len(choices) == 1 else choices[int(chance() * len(choices))]
        return Arrival(at_s, size, priority, client, 0, self.deadline_in_s)


PLAIN = Mix()


def poisson(
    rate_per_s: float, chance: Chance, *, mix: Mix = PLAIN, count: float = inf, until_s: float = inf
) -> Iterator[Arrival]:
    """Yield jobs that arrive independently of each other, `rate_per_s` on average."""
    at_s = 0.0
    while count > 0:
        at_s -= log1p(-chance()) / rate_per_s
        if at_s >= until_s:
            return
        yield mix.arrival(at_s, chance)
        count -= 1


def bursts(
    size: int, every_s: float, chance: Chance, *, mix: Mix = PLAIN, until_s: float
) -> Iterator[Arrival]:
    """Yield `size` simultaneous jobs every `every_s` seconds, the first at 0."""
    number = 0
    while (at_s := number * every_s) < until_s:
        for _ in range(size):
            yield mix.arrival(at_s, chance)
        number += 1
