"""Split: a piece that fails is halved until the guilty item stands alone; the others get their answers.

Where a piece fails and its first half does not, the guilty item is in the second half, which is halved at
once, without a try of the whole half. So one guilty item of n costs at most 2·log2(n) further tries. No item
is guilty when memory runs out: then both halves are tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from jobs.core.failures import Failure, FailureKind
from jobs.worker.stages.claimed_batch import BatchPiece, Split
from jobs.worker.stages.classify import failure_of, is_device_loss
from models_registry.core.faults import Table
from models_registry.loaders import memory
from models_registry.loaders.devices.own_device import own_device
from models_registry.loaders.fault_tables import COMMON


class Splitter:
    """Runs pieces through `attempt`, which returns a piece's raw outputs or raises.

    `table` translates its exceptions; an exception that the process cannot survive is raised again.
    `exhausted` lists, for each piece that ran out of memory, the positions of its jobs in the batch;
    `splits` are all pieces that failed and were halved.
    """

    def __init__(self, attempt: Callable[[BatchPiece], Any], table: Table = COMMON) -> None:
        self._attempt, self._table = attempt, table
        self.exhausted: list[list[int]] = []
        self.splits: list[Split] = []

    def answered(self, piece: BatchPiece) -> Iterator[BatchPiece]:
        """Yield pieces that together hold each item once, with outputs or with one item's failure."""
        failure = self._try(piece)
        if failure is None:
            yield piece
        elif len(piece.positions) == 1:
            piece.raw_outputs = failure
            yield piece
        else:
            self.splits.append(Split(time.monotonic(), len(piece.positions), failure.kind))
            yield from self._halved(piece, guilty=failure.kind is not FailureKind.RESOURCE)

    def _halved(self, piece: BatchPiece, *, guilty: bool) -> Iterator[BatchPiece]:
        first, second = _halves(piece)
        for done in self.answered(first):
            guilty = guilty and not isinstance(done.raw_outputs, Failure)
            yield done
        if guilty and len(second.positions) > 1:
            yield from self._halved(second, guilty=True)
        else:
            yield from self.answered(second)

    def _try(self, piece: BatchPiece) -> Failure | None:
        try:
            piece.raw_outputs = self._attempt(piece)
        except BaseException as error:  # a model may raise anything, SystemExit too: see `failure_of`
            failure = failure_of(error, self._table)
            if is_device_loss(failure):
                raise own_device().error() from error
            if failure.kind is FailureKind.CRASH:
                raise  # the device is lost to this process: it ends, and the innocent run elsewhere
        else:
            return None
        # Here the exception is gone, so nothing refers any more to the tensors that did not fit.
        piece.collated, piece.is_collated, piece.raw_outputs = None, False, None
        if failure.kind is FailureKind.RESOURCE:
            self.exhausted.append(piece.positions)
            memory.hand_back()
        return failure


def _halves(piece: BatchPiece) -> tuple[BatchPiece, BatchPiece]:
    middle = len(piece.positions) // 2
    return (
        BatchPiece(piece.positions[:middle], piece.items[:middle]),
        BatchPiece(piece.positions[middle:], piece.items[middle:]),
    )
