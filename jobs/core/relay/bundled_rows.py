"""Which rows share a message of the broker. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from jobs.core.relay.publish_policy import jobs_a_message

Row = TypeVar("Row")


def bundles(
    rows: Sequence[Row],
    fast: Sequence[bool],
    *,
    kind: Callable[[Row], tuple[int, int]],
    max_batch: Callable[[int], int],
) -> Iterator[tuple[list[Row], bool]]:
    """Yield the rows by version, priority and side, in their order, as many as a message may hold.

    `kind` returns the version and the priority of a row, `max_batch` the largest batch of a version.
    """
    for ((version, _), side), pairs in groupby(
        zip(rows, fast, strict=True), lambda pair: (kind(pair[0]), pair[1])
    ):
        alike = [row for row, _ in pairs]
        most = jobs_a_message(rows=len(rows), max_batch=max_batch(version))
        yield from ((alike[start : start + most], side) for start in range(0, len(alike), most))
