"""Raw outputs become one verdict a job; a bad output is its own job's failure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.batch import SealReason
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.states import State
from jobs.store.claim import Claimed
from jobs.worker.settle import verdicts_of
from jobs.worker.work import Piece, Work
from models_registry.core.errors import InvalidInputError, NotFiniteError, RetryableError
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Echo, Faulty


def work(outputs: list[Any], *, attempts: int = 1, asked: int | None = None) -> Work:
    count = len(outputs) if asked is None else asked
    jobs = [Claimed(UUID(int=n), 5, attempts, 3, b"{}", None) for n in range(count)]
    piece = Piece(list(range(count)), [Item({})] * count, raw=outputs)
    return Work(
        UUID(int=0),
        1,
        1,
        SealReason.IDLE,
        [],
        jobs=jobs,
        runner=Echo(),
        pieces=[piece],
        model="echo",
    )


def test_each_output_is_stored_as_canonical_bytes_under_the_claims_epoch() -> None:
    verdicts = verdicts_of(work([{"b": 1, "a": 2}, [1.5]]))
    assert [v.outcome for v in verdicts] == [Success(b'{"a":2,"b":1}'), Success(b"[1.5]")]
    assert {v.epoch for v in verdicts} == {5}


@pytest.mark.parametrize(
    "bad", [float("nan"), {"x": [float("inf")]}, {float("nan")}, "\ud800", object(), {"a": {1: object()}}]
)
def test_an_output_that_json_cannot_carry_fails_alone(bad: Any) -> None:
    first, second, third = verdicts_of(work([1, bad, 3]))
    assert isinstance(first.outcome, Success)
    assert isinstance(third.outcome, Success)
    assert isinstance(second.outcome, Failure)
    assert second.outcome.code == "bad_output"
    assert second.state is State.WAITING


def test_one_item_s_missing_output_is_its_own_failure_and_names_both_numbers() -> None:
    batch = work([], asked=4)
    batch.runner = Faulty()
    (piece,) = batch.pieces
    piece.items[2] = Item({"short": True})
    piece.raw = [item.input for item in piece.items]
    verdicts = verdicts_of(batch)
    assert [isinstance(v.outcome, Success) for v in verdicts] == [True, True, False, True]
    failure = verdicts[2].outcome
    assert isinstance(failure, Failure)
    assert (failure.code, failure.kind) == ("bad_output", FailureKind.INTERNAL)
    assert "0 outputs for 1 inputs" in failure.message


@pytest.mark.parametrize(
    ("outputs", "says"),
    [(lambda raw: [*raw, 0], "2 outputs for 1 inputs"), (lambda _: None, "a NoneType instead of a list")],
)
def test_a_model_whose_outputs_never_match_fails_each_job(
    monkeypatch: pytest.MonkeyPatch, outputs: Callable[[list[Any]], Any], says: str
) -> None:
    batch = work([1, 2, 3])
    batch.runner = Echo()
    monkeypatch.setattr(batch.runner, "outputs", outputs)
    failed = [v.outcome for v in verdicts_of(batch)]
    assert {f.code for f in failed if isinstance(f, Failure)} == {"bad_output"}
    assert all(isinstance(f, Failure) and says in f.message for f in failed)


@given(st.integers(1, 64), st.integers(0, 63))
def test_an_item_whose_outputs_raise_costs_the_rest_at_most_two_log_runs(count: int, at: int) -> None:
    guilty = at % count

    class Guarded(Echo):
        runs = 0

        def run(self, batch: list[Any]) -> list[Any]:
            self.runs += 1
            return batch

        def outputs(self, raw: list[Any]) -> list[Any]:
            if guilty in raw:
                raise InvalidInputError("not this one")
            return raw

    batch, runner = work(list(range(count))), Guarded()
    batch.runner = runner
    batch.pieces[0].items = [Item(n) for n in range(count)]
    verdicts = verdicts_of(batch)
    assert [n for n, v in enumerate(verdicts) if isinstance(v.outcome, Failure)] == [guilty]
    assert runner.runs <= 2 * math.log2(count)


def test_an_exception_in_an_outputs_place_is_that_item_s_failure() -> None:
    first, second, third = verdicts_of(work([1, NotFiniteError(), RetryableError("later")]))
    assert isinstance(first.outcome, Success)
    assert isinstance(second.outcome, Failure)
    assert (second.outcome.kind, second.state) == (FailureKind.POISON, State.DEAD)
    assert isinstance(third.outcome, Failure)
    assert (third.outcome.kind, third.state) == (FailureKind.TRANSIENT, State.WAITING)


def test_an_output_with_nan_says_where_it_stands() -> None:
    _, verdict = verdicts_of(work([{"x": None}, {"embedding": [0.5, float("nan")]}]))
    assert isinstance(verdict.outcome, Failure)
    assert "'/embedding/1'" in verdict.outcome.message


def test_what_fails_at_its_last_attempt_too_is_poison() -> None:
    (verdict,) = verdicts_of(work([float("nan")], attempts=3))
    assert isinstance(verdict.outcome, Failure)
    assert (verdict.outcome.kind, verdict.state) == (FailureKind.POISON, State.DEAD)
