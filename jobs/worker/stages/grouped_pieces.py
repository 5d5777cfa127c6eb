"""The pieces of a claimed batch: items that the model takes together, collated ahead of the run."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.execute import failure_of
from models_registry.core.runner import Item


def make_pieces(batch: ClaimedBatch, items: Mapping[int, Item]) -> None:
    """Group the items, by their place in the batch, and collate each group."""
    batch.pieces = _grouped(batch, items)
    for piece in batch.pieces:
        if piece.raw_outputs is None:
            _collate(batch, piece)


def _grouped(batch: ClaimedBatch, items: Mapping[int, Item]) -> list[BatchPiece]:
    assert batch.runner is not None  # noqa: S101  # set by `prepare` just above
    groups: dict[object, BatchPiece] = {}
    failed: list[BatchPiece] = []
    for position, item in items.items():
        try:
            piece = groups.setdefault(batch.runner.key(item), BatchPiece([], []))
        except BaseException as error:  # noqa: BLE001  # a model may raise anything; its neighbours run
            failed.append(BatchPiece([position], [item], raw_outputs=failure_of(error, batch.table)))
            continue
        piece.positions.append(position)
        piece.items.append(item)
    return [*groups.values(), *failed]


def _collate(batch: ClaimedBatch, piece: BatchPiece) -> None:
    assert batch.runner is not None  # noqa: S101
    try:
        piece.collated, piece.is_collated = batch.runner.collate(piece.items), True
    except BaseException:  # noqa: BLE001  # the run stage collates again, splitting down to the guilty item
        piece.is_collated = False
