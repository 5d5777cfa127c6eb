"""A failing batch is halved until the guilty item is alone, at a bounded cost."""

from __future__ import annotations

import math
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.core.failures import Failure, FailureKind
from jobs.worker.stages.bisect import Splitter
from jobs.worker.stages.claimed_batch import BatchPiece
from models_registry.core.runner import Item
from models_registry.loaders.fault_tables import table_of

COUNTS = st.integers(1, 64)


@st.composite
def batches(draw: st.DrawFn) -> tuple[int, set[int]]:
    count = draw(COUNTS)
    return count, draw(st.sets(st.integers(0, count - 1), max_size=6))


def full_piece(count: int) -> BatchPiece:
    return BatchPiece(list(range(count)), [Item(number) for number in range(count)])


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, CancelledError])
def test_an_exception_that_would_end_the_program_is_one_item_s_failure(kind: type[BaseException]) -> None:
    attempt = Counted(lambda inputs: kind("guilty") if 5 in inputs else None)
    _, outputs = answers(attempt, 8)
    assert {at for at, output in outputs.items() if isinstance(output, Failure)} == {5}
    assert (outputs[5].kind, outputs[5].code) == (FailureKind.INTERNAL, kind.__name__)


class Counted:
    """An attempt that raises what `refuse` returns for the inputs of a piece; counts its calls."""

    def __init__(self, refuse: Callable[[list[int]], BaseException | None]) -> None:
        self.refuse, self.calls = refuse, list[int]()

    def __call__(self, piece: BatchPiece) -> list[int]:
        inputs = [item.input for item in piece.items]
        self.calls.append(len(inputs))
        error = self.refuse(inputs)
        if error is not None:
            raise error
        return inputs


def answers(attempt: Counted, count: int) -> tuple[Splitter, dict[int, Any]]:
    splitter, outputs = Splitter(attempt), dict[int, Any]()
    for piece in splitter.answered(full_piece(count)):
        raws = [piece.raw_outputs] if isinstance(piece.raw_outputs, Failure) else piece.raw_outputs
        for at, raw in zip(piece.positions, raws, strict=True):
            assert at not in outputs
            outputs[at] = raw
    return splitter, outputs


def guilt(guilty: set[int]) -> Counted:
    return Counted(lambda inputs: ValueError("guilty") if guilty & set(inputs) else None)


@given(batches())
@example((3, {2}))
@example((3, {1}))
@example((5, {4}))
@example((64, set(range(0, 64, 2))))
def test_a_guilty_item_costs_at_most_two_log_further_tries(batch: tuple[int, set[int]]) -> None:
    count, guilty = batch
    attempt = guilt(guilty)
    _, outputs = answers(attempt, count)
    assert len(attempt.calls) - 1 <= len(guilty) * 2 * math.log2(count)
    assert sorted(outputs) == list(range(count))
    assert {at for at, raw in outputs.items() if isinstance(raw, Failure)} == guilty
    assert all(raw == at for at, raw in outputs.items() if at not in guilty)


@given(batches())
def test_each_guilty_item_was_tried_alone(batch: tuple[int, set[int]]) -> None:
    count, guilty = batch
    attempt = Counted(lambda inputs: ValueError(repr(inputs)) if guilty & set(inputs) else None)
    _, outputs = answers(attempt, count)
    assert all(outputs[at].message == f"[{at}]" for at in guilty)


def out_of_memory(kind: type[Exception]) -> Exception:
    return kind("CUDA out of memory. Tried to allocate 2.00 GiB.")


def exhausting_errors() -> list[type[Exception]]:
    import torch

    return [torch.cuda.OutOfMemoryError, MemoryError, RuntimeError]


@pytest.mark.parametrize("kind", exhausting_errors())
@pytest.mark.parametrize("fits", [1, 7, 16, 63])
def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_no_job_fails(
    kind: type[Exception], fits: int
) -> None:
    attempt = Counted(lambda inputs: out_of_memory(kind) if len(inputs) > fits else None)
    splitter, outputs = answers(attempt, 64)
    assert outputs == {number: number for number in range(64)}
    assert min(map(len, splitter.exhausted)) > fits


def test_halves_that_fit_are_not_split() -> None:
    attempt = Counted(lambda inputs: MemoryError() if len(inputs) > 32 else None)
    answers(attempt, 64)
    assert attempt.calls == [64, 32, 32]


def test_an_item_that_does_not_fit_alone_lacks_resources() -> None:
    attempt = Counted(lambda inputs: MemoryError() if 5 in inputs else None)
    splitter, outputs = answers(attempt, 8)
    assert outputs[5].kind is FailureKind.RESOURCE
    assert [at for at, raw in outputs.items() if isinstance(raw, Failure)] == [5]
    assert [5] in splitter.exhausted


def test_an_error_fatal_to_the_process_is_no_item_s_failure() -> None:
    attempt = Counted(lambda _: RuntimeError("CUDA error: device-side assert triggered"))
    with pytest.raises(RuntimeError, match="device-side"):
        list(Splitter(attempt, table_of("transformer")).answered(full_piece(8)))
    assert attempt.calls == [8]


def test_memory_is_released_after_a_batch_that_did_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    import weakref

    class Tensor:
        pass

    held: list[weakref.ref[Tensor]] = []
    alive: list[bool] = []

    def attempt(piece: BatchPiece) -> list[int]:
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        if len(piece.positions) > 1:
            raise MemoryError
        return [0]

    monkeypatch.setattr(
        "jobs.worker.stages.bisect.memory.hand_back", lambda: alive.append(any(ref() for ref in held))
    )
    piece = full_piece(2)
    piece.collated, piece.is_collated = "collated", True
    list(Splitter(attempt).answered(piece))
    assert alive == [False]
    assert piece.collated is None
