"""Which rows share a message of the broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from jobs.core.relay.publish_policy import jobs_a_message
from jobs.services.relay.statements import DueRow


def bundles(
    rows: Sequence[DueRow], fast: Sequence[bool], max_batch: Callable[[int], int]
) -> Iterator[tuple[list[DueRow], bool]]:
    """Yield the rows by version, priority and side, in their order, as many as a message may hold."""
    for (version, _, side), pairs in groupby(zip(rows, fast, strict=True), _bundle_key):
        alike = [row for row, _ in pairs]
        most = jobs_a_message(rows=len(rows), max_batch=max_batch(version))
        yield from ((alike[start : start + most], side) for start in range(0, len(alike), most))


def _bundle_key(pair: tuple[DueRow, bool]) -> tuple[int, int, bool]:
    row, fast = pair
    return row.envelope.version, row.envelope.priority, fast
