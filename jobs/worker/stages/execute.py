"""Run: the pieces of a batch go through the model, split where it raises; too large sizes are noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jobs.core.failures import Failure, FailureKind
from jobs.worker.batch_context import BatchContext
from jobs.worker.stages.bisect import Splitter
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.classify import failure_of
from models_registry.core.context import takes_context
from models_registry.core.runner import Runner

__all__ = ["execute", "execute_all", "failure_of", "run", "run_pieces"]


def execute_all(batch: ClaimedBatch) -> None:
    """Run the batch's pieces, and set `oom_size` where some of them ran out of memory together."""
    batch.oom_size = _oom_size(batch, run_pieces(batch))


def run_pieces(batch: ClaimedBatch) -> list[list[int]]:
    """Run the batch's pieces; return the positions of each piece that ran out of memory together."""
    assert batch.runner is not None  # noqa: S101  # the claim stage sets it or a failure
    runner = batch.runner
    splitter = Splitter(lambda piece: run(runner, piece, batch.context), batch.table)
    batch.pieces = [done for piece in batch.pieces for done in _answered(splitter, piece)]
    batch.splits = splitter.splits
    return splitter.exhausted


def _answered(splitter: Splitter, piece: BatchPiece) -> Iterable[BatchPiece]:
    # A piece that failed before it could run, because an input is lost say, takes no time here.
    return [piece] if isinstance(piece.raw_outputs, Failure) else splitter.answered(piece)


def execute(runner: Runner, piece: BatchPiece) -> Iterator[BatchPiece]:
    """Yield pieces that together hold each item once, each with raw outputs or one item's failure."""
    return Splitter(lambda part: run(runner, part)).answered(piece)


def run(runner: Runner, piece: BatchPiece, context: BatchContext | None = None) -> Any:
    """Return a piece's raw outputs; collate its items first where the claim stage could not."""
    # Nothing here refers to the collated input during the run: the model may drop it once it is used.
    if context is not None and takes_context(runner):
        return runner.run(_collated(runner, piece), context=context.of(piece.positions))
    return runner.run(_collated(runner, piece))


def _collated(runner: Runner, piece: BatchPiece) -> Any:
    if not piece.is_collated:
        return runner.collate(piece.items)
    collated, piece.collated, piece.is_collated = piece.collated, None, False
    return collated


def _oom_size(batch: ClaimedBatch, exhausted: list[list[int]]) -> int | None:
    """Return the least padded size that did not fit, but for pieces with an item that does not fit alone."""
    alone = {position for piece in batch.pieces if _lacked_memory(piece) for position in piece.positions}
    sizes = (_padded_size(batch, positions) for positions in exhausted if alone.isdisjoint(positions))
    return min(sizes, default=None)


def _lacked_memory(piece: BatchPiece) -> bool:
    return isinstance(piece.raw_outputs, Failure) and piece.raw_outputs.kind is FailureKind.RESOURCE


def _padded_size(batch: ClaimedBatch, positions: list[int]) -> int:
    longest = max(batch.deliveries[position].units for position in positions)
    return len(positions) * longest
