"""Raw outputs become one verdict a job; a bad output is its own job's failure."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable
from struct import pack
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.circuits.tally import VerdictTally
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.states import State
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Settled
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.classify import failure_of
from jobs.worker.stages.settler import Settler, Stored, verdicts_of
from models_registry.core.options import RetryOptions
from models_registry.core.output import Output
from models_registry.core.registry_errors import (
    ArtifactMismatchError,
    DeviceLostError,
    InvalidInputError,
    NotFiniteError,
    RetryableError,
)
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Echo, Faulty
from models_registry.loaders.fault_tables import table_of
from tests.support.lost_device import FakeProbe, device_with


def work(outputs: list[Any], *, attempts: int = 1, requested: int | None = None) -> ClaimedBatch:
    count = len(outputs) if requested is None else requested
    jobs = [Claimed(UUID(int=n), 5, attempts, 3, b"{}", None) for n in range(count)]
    piece = BatchPiece(list(range(count)), [Item({})] * count, raw_outputs=outputs)
    return ClaimedBatch(
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


def test_an_output_of_bytes_is_stored_as_it_came_and_a_wrong_one_fails_alone() -> None:
    meta = {"dtype": "float32", "shape": [2]}
    nan = pack("<2f", 1.0, math.nan)
    outputs = [Output(b"12345678", meta=meta), Output(b"1234", meta=meta), Output(nan, meta=meta)]
    good, wrong, not_finite = verdicts_of(work(outputs))
    assert isinstance(good.outcome, Success)
    assert good.outcome.body.endswith(b"}]\n12345678")
    for verdict, code in ((wrong, "bad_output"), (not_finite, "not_finite")):
        assert isinstance(verdict.outcome, Failure)
        assert (verdict.outcome.kind, verdict.outcome.code) == (FailureKind.POISON, code)
        assert verdict.state is State.DEAD


class OnDevice(list[Any]):
    """Raw outputs that can be referred to weakly."""


def test_what_a_judged_batch_had_on_the_device_is_gone() -> None:
    circuits: Any = MagicMock()
    settler = Settler(MagicMock(), lambda: False, node="", expected_s=lambda *_: 0.0, circuits=circuits)
    batch = work(OnDevice([1, 2]))
    raw = weakref.ref(batch.pieces[0].raw_outputs)
    settler.judge(batch)
    assert raw() is None
    assert len(batch.verdicts) == 2
    settler.judge(batch)  # again, where a row was locked
    assert len(batch.verdicts) == 2


def test_halves_of_outputs_that_cannot_be_read_run_without_the_whole() -> None:
    raws = list[Any]()

    class Halved(Echo):
        def run(self, batch: list[Any]) -> list[Any]:
            assert [raw() for raw in raws] == [None]
            return batch

        def outputs(self, raw: list[Any]) -> list[Any]:
            if len(raw) > 1:
                raise MemoryError
            return raw

    batch = work(OnDevice([1, 2]))
    batch.runner = Halved()
    raws.append(weakref.ref(batch.pieces[0].raw_outputs))
    assert all(isinstance(verdict.outcome, Success) for verdict in verdicts_of(batch))


def test_nan_in_an_output_of_bytes_may_be_tried_again() -> None:
    batch = work([Output(pack("<f", math.inf), meta={"dtype": "float32", "shape": [1]})])
    batch.table = table_of("entry_point", refuse_nan=False)
    (verdict,) = verdicts_of(batch)
    assert verdict.state is State.WAITING


def test_each_output_is_stored_as_canonical_bytes_under_the_claims_epoch() -> None:
    verdicts = verdicts_of(work([{"b": 1, "a": 2}, [1.5]]))
    assert [v.outcome for v in verdicts] == [Success(b'{"a":2,"b":1}'), Success(b"[1.5]")]
    assert {v.epoch for v in verdicts} == {5}


@pytest.mark.parametrize(
    "bad",
    [
        float("nan"), {"x": [float("inf")]}, {float("nan")}, "\ud800", object(), {"a": {1: object()}},
        10**4_300, {"x": [-(10**4_300)]}, {10**4_300: 1},
    ],
    ids=map(str, range(9)),  # pytest could not write the long integers either
)  # fmt: skip
def test_an_output_that_json_cannot_carry_fails_alone(bad: Any) -> None:
    first, second, third = verdicts_of(work([1, bad, 3]))
    assert isinstance(first.outcome, Success)
    assert isinstance(third.outcome, Success)
    assert isinstance(second.outcome, Failure)
    assert second.outcome.kind is FailureKind.POISON
    assert second.outcome.code in {"bad_output", "not_finite"}
    assert second.state is State.DEAD


def test_an_item_s_missing_output_fails_it_alone_with_both_counts() -> None:
    batch = work([], requested=4)
    batch.runner = Faulty()
    (piece,) = batch.pieces
    piece.items[2] = Item({"short": True})
    piece.raw_outputs = [item.input for item in piece.items]
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
def test_an_item_whose_output_raises_costs_the_others_at_most_two_log_runs(count: int, at: int) -> None:
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


def test_outputs_that_raise_are_read_by_the_loader_s_table() -> None:
    class Late(Echo):
        def outputs(self, raw: list[Any]) -> list[Any]:
            if 1 in raw:
                raise RuntimeError("The size of tensor a (9) must match the size of tensor b (8)")
            return raw

    batch = work([0, 1, 2])
    batch.runner, batch.table = Late(), table_of("transformer")
    batch.pieces[0].items = [Item(n) for n in range(3)]
    verdicts = verdicts_of(batch)
    assert [v.outcome.kind for v in verdicts if isinstance(v.outcome, Failure)] == [FailureKind.INVALID]


def test_an_exception_in_an_outputs_place_is_that_item_s_failure() -> None:
    first, second, third = verdicts_of(work([1, NotFiniteError(), RetryableError("later")]))
    assert isinstance(first.outcome, Success)
    assert isinstance(second.outcome, Failure)
    assert (second.outcome.kind, second.state) == (FailureKind.POISON, State.DEAD)
    assert isinstance(third.outcome, Failure)
    assert (third.outcome.kind, third.state) == (FailureKind.TRANSIENT, State.WAITING)


def test_an_output_with_nan_names_the_place() -> None:
    _, verdict = verdicts_of(work([{"x": None}, {"embedding": [0.5, float("nan")]}]))
    assert isinstance(verdict.outcome, Failure)
    assert "'/embedding/1'" in verdict.outcome.message


@pytest.mark.parametrize(
    ("output", "attempts", "suspect"),
    [(ValueError(), 3, True), (ValueError(), 2, False), (NotFiniteError(), 3, False), (OSError(), 3, False)],
)
def test_a_job_that_raises_alone_at_its_last_attempt_is_suspected_of_poison(
    output: Any,
    attempts: int,
    suspect: bool,  # noqa: FBT001  # a case
) -> None:
    (verdict,) = verdicts_of(work([output], attempts=attempts))
    assert (verdict.suspect, verdict.attempt) == (suspect, attempts)


def test_no_job_is_suspected_if_the_model_could_not_be_loaded() -> None:
    batch = work([1, 2], attempts=3)
    batch.failure = failure_of(ArtifactMismatchError())
    verdicts = verdicts_of(batch)
    assert [(v.state, v.suspect) for v in verdicts] == [(State.DEAD, False)] * 2


def hurried(left_s: float | None, *, size: int = 7, age_s: float = 0.0) -> ClaimedBatch:
    """Return a batch of one that failed and may again; its claim was `age_s` ago."""
    batch = work([RetryableError("later")])
    batch.jobs = [Claimed(UUID(int=1), 5, 1, 3, b"{}", None, left_s)]
    batch.deliveries = [SimpleNamespace(units=size)]  # type: ignore[list-item]  # a stand-in
    batch.claimed_at = time.monotonic() - age_s
    batch.retry = RetryOptions(base_s=1_000, cap_s=1_000)
    return batch


def test_a_retry_is_drawn_from_the_time_that_the_run_leaves() -> None:
    for _ in range(100):
        (verdict,) = verdicts_of(hurried(50.0, age_s=20.0), lambda _key, size: size * 3.0)
        assert isinstance(verdict.after, RetryAfter)
        assert verdict.after.delay_s <= 50 - 20 - 7 * 3


def test_a_retry_that_cannot_end_before_the_deadline_is_not_made() -> None:
    (verdict,) = verdicts_of(hurried(50.0, age_s=30.0), lambda *_: 20.0)
    assert verdict.state is State.DEAD
    assert isinstance(verdict.after, Bury)
    assert verdict.after.reason.startswith("the deadline leaves no time for another attempt: ")
    assert not verdict.suspect


def test_without_a_deadline_the_expected_time_is_not_read() -> None:
    (verdict,) = verdicts_of(hurried(None), lambda *_: pytest.fail("asked"))
    assert verdict.state is State.WAITING


def test_a_version_s_policy_and_its_loader_s_table_are_its_batch_s() -> None:
    batch = work([IndexError("index out of range in self"), RetryableError("later")])
    batch.table, batch.retry = table_of("transformer"), RetryOptions(attempts=1)
    first, second = verdicts_of(batch)
    assert [v.outcome.kind for v in (first, second) if isinstance(v.outcome, Failure)] == [
        FailureKind.INVALID, FailureKind.TRANSIENT,
    ]  # fmt: skip
    assert second.after == Bury("attempt 1 of 1 for a failure of kind transient was the last", exhausted=True)


def test_an_output_that_ends_the_program_in_its_place_fails_alone() -> None:
    first, second, third, fourth = verdicts_of(work([1, KeyboardInterrupt(), GeneratorExit(), 4]))
    assert (type(first.outcome), type(fourth.outcome)) == (Success, Success)
    assert (type(second.outcome), type(third.outcome)) == (Failure, Failure)


def test_nan_is_tried_again_for_a_version_that_says_so() -> None:
    batch = work([float("nan")])
    batch.table = table_of("entry_point", refuse_nan=False)
    (verdict,) = verdicts_of(batch)
    assert (verdict.state, verdict.outcome.code) == (State.WAITING, "not_finite")  # type: ignore[union-attr]


def test_the_circuits_are_told_whose_jobs_ended_how_and_which_inputs_were_answered_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = list[dict[int, VerdictTally]]()
    circuits: Any = SimpleNamespace(observe=lambda _version, tallies: told.append(tallies))
    settler = Settler(MagicMock(), lambda: False, node="", expected_s=lambda *_: 0.0, circuits=circuits)

    def settled(outputs: list[Any], bodies: list[bytes]) -> dict[int, VerdictTally]:
        batch = work(outputs)
        batch.jobs = [
            msgspec.structs.replace(job, body=body) for job, body in zip(batch.jobs, bodies, strict=True)
        ]
        batch.deliveries = [
            cast("Any", SimpleNamespace(job=job.job, envelope=SimpleNamespace(client=7 + at)))
            for at, job in enumerate(batch.jobs)
        ]
        verdicts = verdicts_of(batch)
        ends = [Settled(verdict.job, verdict.state) for verdict in verdicts]
        stored = Stored(verdicts, ends, set())
        monkeypatch.setattr("jobs.worker.stages.settler.persist", lambda *_, **__: stored)
        settler.settle(batch)
        return told[-1]

    assert settled([1, 2], [b"good", b"fine"]) == {7: VerdictTally(succeeded=1), 8: VerdictTally(succeeded=1)}
    assert settled([1, ValueError("no")], [b"good", b"bad"]) == {
        7: VerdictTally(succeeded=1),
        8: VerdictTally(blamed=1, pinned=1),
    }
    again = settled([ValueError("no"), ValueError("no")], [b"good", b"bad"])
    assert again == {7: VerdictTally(blamed=1, answered_before=1), 8: VerdictTally(blamed=1)}


def test_an_output_that_shows_a_lost_device_is_nobody_s_failure() -> None:
    lost = RuntimeError("CUDA error: an illegal instruction was encountered")
    with device_with(FakeProbe()):
        assert [verdict.state for verdict in verdicts_of(work([1, lost]))][1] is State.WAITING
    with device_with(FakeProbe("dead")), pytest.raises(DeviceLostError):
        verdicts_of(work([1, lost]))


def test_a_batch_that_could_not_be_prepared_on_a_lost_device_is_nobody_s_failure() -> None:
    with device_with(FakeProbe("dead")):
        batch = work([])
        batch.jobs = work([1]).jobs
        batch.failure = failure_of(RuntimeError("CUDA error: unknown error"))
        with pytest.raises(DeviceLostError):
            verdicts_of(batch)


def test_a_model_that_claims_a_loss_has_failed_itself() -> None:
    with device_with(FakeProbe()):
        (verdict,) = verdicts_of(work([DeviceLostError()]))
    assert isinstance(verdict.outcome, Failure)
    assert verdict.outcome.kind is FailureKind.TRANSIENT
