"""Raw outputs become one verdict a job; a bad output is its own job's failure."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from jobs.core.batching import SealReason
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.states import State
from jobs.store.claim import Claimed
from jobs.worker.settle import verdicts_of
from jobs.worker.work import Piece, Work
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Echo


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


@pytest.mark.parametrize("bad", [float("nan"), {"x": [float("inf")]}, "\ud800", object()])
def test_an_output_that_json_cannot_carry_fails_alone(bad: Any) -> None:
    first, second, third = verdicts_of(work([1, bad, 3]))
    assert isinstance(first.outcome, Success)
    assert isinstance(third.outcome, Success)
    assert isinstance(second.outcome, Failure)
    assert second.outcome.code == "bad_output"
    assert second.state is State.WAITING


def test_a_wrong_number_of_outputs_fails_each_job_and_names_both_numbers() -> None:
    verdicts = verdicts_of(work([1, 2], asked=3))
    assert {v.outcome.code for v in verdicts if isinstance(v.outcome, Failure)} == {"bad_output"}
    assert "2 outputs for 3 inputs" in str(verdicts[0].outcome)


def test_what_fails_at_its_last_attempt_too_is_poison() -> None:
    (verdict,) = verdicts_of(work([float("nan")], attempts=3))
    assert isinstance(verdict.outcome, Failure)
    assert (verdict.outcome.kind, verdict.state) == (FailureKind.POISON, State.DEAD)
