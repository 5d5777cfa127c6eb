"""Which model versions are slow, by their options and by how long their full batches run. Pure.

The worker asks for the versions that it runs, the surveyor for those of each model.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from enum import StrEnum
from math import ceil, inf
from typing import TypeVar

from jobs.core.submission.input_size import MOST_SIZE

SLOW_RUN_S = 1.0  # a version is slow if its full batch runs for longer,
SLOW_RATIO = 10.0  # and so many times as long as one of the fastest version
_STAYS = 0.8  # a slow version is fast again below this part of both, so that it does not change to and fro
Name = TypeVar("Name", bound=Hashable)


class Lane(StrEnum):
    """A version's option `lane`; also the lane of a worker, where AUTO means both."""

    FAST = "fast"
    SLOW = "slow"
    AUTO = "auto"


def slow_by_time(
    full_batch_s: Mapping[Name, float], *, asked: Collection[Name], slow: Collection[Name]
) -> set[Name]:
    """Return which of the `asked` versions are slow, by the seconds of a full batch of every version.

    `slow` are those that were slow so far. A version without a time is as it was.
    """
    fastest_s = min(full_batch_s.values(), default=inf)
    chosen = set[Name]()
    for name in asked:
        seconds, part = full_batch_s.get(name), _STAYS if name in slow else 1.0
        if seconds is None:
            chosen |= {name} & set(slow)
        elif seconds > part * SLOW_RUN_S and seconds > part * SLOW_RATIO * fastest_s:
            chosen.add(name)
    return chosen


def slow_from(*, above_s: float, fixed_s: float, per_unit_s: float, padded: bool) -> int | None:
    """Return the least size of an input that is predicted to run alone for more than `above_s` seconds.

    A run takes `fixed_s + per_unit_s * padded size`. An input of a version that does not pad has the padded
    size 1 whatever its size, so the answer is 0 for all or None for none.
    """
    if not padded:
        return 0 if fixed_s + per_unit_s > above_s else None
    if fixed_s > above_s:
        return 0
    size = (above_s - fixed_s) / per_unit_s if per_unit_s > 0.0 else inf
    return None if size >= MOST_SIZE else ceil(size)


def most_slow(lanes: int, worker: Lane) -> int | None:
    """Return how many slow batches a worker may hold at once; None for any number.

    One lane is kept for fast batches. A worker with one lane cuts its slow batches instead, and one for
    nothing but slow jobs keeps none.
    """
    return None if lanes < 2 or worker is Lane.SLOW else lanes - 1  # noqa: PLR2004  # with one lane there is none to keep


def slices(lanes: int, worker: Lane) -> bool:
    """Return whether a worker cuts its slow batches to `slow_slice_s`."""
    return lanes == 1 and worker is not Lane.SLOW
