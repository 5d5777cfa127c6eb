"""A batch runs in pieces, and the size that did not fit is reported."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Failure, FailureKind
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.execute import execute, execute_all
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Echo
from models_registry.loaders.fault_tables import table_of


class Small(Echo):
    """Runs out of memory over `fits` units of items times the longest; `broken` inputs raise."""

    def __init__(self, fits: int, broken: int = -1) -> None:
        self.fits, self.broken, self.runs = fits, broken, list[int]()

    def run(self, batch: list[Any]) -> list[Any]:
        self.runs.append(len(batch))
        if self.broken in batch:
            raise ValueError("broken")
        if len(batch) * max(batch) > self.fits:
            raise MemoryError
        return batch


def work(runner: Echo, sizes: list[int], *groups: list[int]) -> ClaimedBatch:
    """Return a batch whose inputs are their own sizes, in pieces of these places or one of all."""
    deliveries: list[Any] = [SimpleNamespace(units=max(size, 1)) for size in sizes]
    jobs = [Claimed(UUID(int=n), 1, 1, 3, b"{}", None) for n in range(len(sizes))]
    pieces = [BatchPiece(at, [Item(sizes[n]) for n in at]) for at in groups or [list(range(len(sizes)))]]
    return ClaimedBatch(
        UUID(int=0), 1, 1, SealReason.FULL, deliveries, jobs=jobs, runner=runner, pieces=pieces
    )


def failures(batch: ClaimedBatch) -> dict[int, FailureKind]:
    return {p.positions[0]: p.raw_outputs.kind for p in batch.pieces if isinstance(p.raw_outputs, Failure)}


def test_the_least_padded_size_that_did_not_fit_is_reported() -> None:
    batch = work(Small(40), [10, 10, 10, 10, 10, 2, 2, 2])
    execute_all(batch)
    assert failures(batch) == {}
    assert batch.oom_size == 8 * 10
    assert sorted(at for piece in batch.pieces for at in piece.positions) == list(range(8))


def test_the_loader_classifies_an_exception() -> None:
    class Embedding(Echo):
        def run(self, batch: list[Any]) -> list[Any]:
            if 7 in batch:
                raise IndexError("index out of range in self")
            return batch

    batch = work(Embedding(), [1, 7, 1])
    batch.table = table_of("transformer")
    execute_all(batch)
    assert failures(batch) == {1: FailureKind.INVALID}


def test_halving_goes_on_and_the_smallest_is_reported() -> None:
    batch = work(Small(20), [10] * 8)
    execute_all(batch)
    assert failures(batch) == {}
    assert batch.oom_size == 4 * 10


def test_a_batch_that_fits_reports_nothing() -> None:
    batch = work(Small(1000), [10] * 8)
    execute_all(batch)
    assert batch.oom_size is None


def test_a_batch_that_fails_otherwise_reports_nothing() -> None:
    batch = work(Small(1000, broken=7), [10, 7, 10, 10])
    execute_all(batch)
    assert failures(batch) == {1: FailureKind.INTERNAL}
    assert batch.oom_size is None


def test_an_item_that_does_not_fit_alone_does_not_shrink_the_batches_of_others() -> None:
    batch = work(Small(40), [10, 10, 50, 1, 10, 10, 1, 1])
    execute_all(batch)
    assert failures(batch) == {2: FailureKind.RESOURCE}
    assert batch.oom_size is None


def test_items_whose_length_does_not_matter_count_as_one_each() -> None:
    class Four(Echo):
        def run(self, batch: list[Any]) -> list[Any]:
            if len(batch) > 4:
                raise MemoryError
            return batch

    batch = work(Four(), [0] * 32)
    execute_all(batch)
    assert batch.oom_size == 8


def test_pieces_of_several_shapes_are_each_answered() -> None:
    batch = work(Small(20), [10, 1, 10, 1, 10, 10], [0, 2, 4, 5], [1, 3])
    execute_all(batch)
    assert sorted(at for piece in batch.pieces for at in piece.positions) == list(range(6))
    assert batch.oom_size == 40


@pytest.mark.parametrize("collated", [True, False])
def test_a_piece_collated_ahead_is_not_collated_again(collated: bool) -> None:  # noqa: FBT001  # a case
    piece = BatchPiece([0, 1], [Item(1), Item(2)], collated=[3, 4], is_collated=collated)
    (done,) = execute(Small(1000), piece)
    assert done.raw_outputs == ([3, 4] if collated else [1, 2])


class OnDevice(list[Any]):
    """An input that can be referred to weakly."""


def test_only_the_model_holds_a_collated_input_while_it_runs() -> None:
    class Frees(Echo):
        def run(self, batch: list[Any]) -> list[Any]:
            seen, answers = weakref.ref(batch), list(batch)
            del batch
            assert seen() is None
            return answers

    batch = work(Frees(), [3])
    batch.pieces[0].collated, batch.pieces[0].is_collated = OnDevice([3]), True
    execute_all(batch)
    assert [piece.raw_outputs for piece in batch.pieces] == [[3]]


def test_a_half_is_collated_again() -> None:
    piece = BatchPiece([0, 1], [Item(1), Item(7)], collated=[7, 7], is_collated=True)
    good, bad = execute(Small(1000, broken=7), piece)
    assert good.raw_outputs == [1]
    assert isinstance(bad.raw_outputs, Failure)
