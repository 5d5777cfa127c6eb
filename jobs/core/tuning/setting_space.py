"""The settings to choose from: a few steps on each axis, and which settings are neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import msgspec

from jobs.core.simulation.arrivals import Chance


class TunedSetting(msgspec.Struct, frozen=True, order=True):
    """What a version, its workers and the relay are set to; 0 is no limit, or the product's own choice.

    `max_batch` and `max_padded_size` belong to the version, `lanes` and `prefetch` to a worker, `depth` to
    the relay.
    """

    max_batch: int = 64
    max_padded_size: int = 0
    lanes: int = 1
    prefetch: int = 0
    depth: int = 0


AXES = TunedSetting.__struct_fields__


@dataclass(frozen=True, slots=True)
class SettingSpace:
    """The steps of each axis in the order in which one is next to another."""

    max_batch: tuple[int, ...] = (64,)
    max_padded_size: tuple[int, ...] = (0,)
    lanes: tuple[int, ...] = (1,)
    prefetch: tuple[int, ...] = (0,)
    depth: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        return prod(map(len, self._axes))

    def __iter__(self) -> Iterator[TunedSetting]:
        return (TunedSetting(*steps) for steps in product(*self._axes))

    def spread(self, most: int, chance: Chance) -> list[TunedSetting]:
        """Return up to `most` settings that cover each axis evenly, as a Latin hypercube does."""
        if len(self) <= most:
            return list(self)
        columns = [_evenly(axis, most, chance) for axis in self._axes]
        return list(dict.fromkeys(TunedSetting(*steps) for steps in zip(*columns, strict=True)))

    def neighbours(self, setting: TunedSetting) -> list[TunedSetting]:
        """Return what is one step away, two in `max_batch`, or a step of the batch's two limits at once."""
        near = {self.moved(setting, {axis: step}) for axis in AXES for step in (-1, 1)}
        near |= {self.moved(setting, {"max_batch": step}) for step in (-2, 2)}
        both = product((-1, 1), repeat=2)
        near |= {self.moved(setting, {"max_batch": a, "max_padded_size": b}) for a, b in both}
        return sorted(near - {setting})

    def moved(self, setting: TunedSetting, steps: dict[str, int]) -> TunedSetting:
        """Return the setting so many steps away on these axes, or as far as an axis goes."""
        return msgspec.structs.replace(
            setting, **{axis: self._at(setting, axis, by) for axis, by in steps.items()}
        )

    def _at(self, setting: TunedSetting, axis: str, by: int) -> int:
        steps: tuple[int, ...] = getattr(self, axis)
        return steps[min(max(steps.index(getattr(setting, axis)) + by, 0), len(steps) - 1)]

    @property
    def _axes(self) -> list[tuple[int, ...]]:
        return [getattr(self, axis) for axis in AXES]


def _evenly(axis: Sequence[int], count: int, chance: Chance) -> list[int]:
    """Return `count` steps of an axis, each as often as the others, shuffled."""
    steps = [axis[number * len(axis) // count] for number in range(count)]
    for last in range(count - 1, 0, -1):
        other = int(chance() * (last + 1))
        steps[last], steps[other] = steps[other], steps[last]
    return steps
