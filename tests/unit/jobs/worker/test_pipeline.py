"""The pipeline with stages of the test's own: batches overlap, and one that runs apart does not."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event, Lock, Timer
from traceback import format_exception
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from uuid import UUID, uuid4

import pytest

from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealReason
from jobs.core.log_context import known_ids
from jobs.core.messages.envelope import Envelope
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.pipeline import Pipeline
from jobs.worker.stages.buffer import Buffer
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.settler import Stored
from models_registry.core.registry_errors import DeviceLostError
from models_registry.core.runner import Item
from models_registry.core.secrecy import Secrecy
from models_registry.loaders.fault_tables import table_of
from tests.support.lost_device import FakeProbe, device_with
from tests.support.wait import wait_until


class Stages:
    """Claims everything, runs until `gate` is open, and notes how many batches were in hand at each claim."""

    def __init__(self) -> None:
        self.gate, self.lock = Event(), Lock()
        self.in_hand = 0
        self.claims: list[tuple[int, int]] = []
        self.settled: list[ClaimedBatch] = []

    def claim(self, sealed: Any) -> tuple[ClaimedBatch, list[Any]]:
        work = ClaimedBatch(
            uuid4(),
            sealed.key,
            sealed.padded_size,
            sealed.reason,
            sealed.tokens,
            isolation_group=sealed.isolation_group,
        )
        work.jobs = [Claimed(delivery.job, 1, 1, 3, b"1", None) for delivery in sealed.tokens]
        with self.lock:
            self.claims.append((sealed.isolation_group, self.in_hand))
            self.in_hand += 1
        return work, []

    def prepare(self, work: ClaimedBatch) -> None:
        work.runner = SimpleNamespace(run=self.run, outputs=list, collate=list)
        places = list(range(len(work.jobs)))
        work.pieces = [BatchPiece(places, [Item(at) for at in places], collated=places, is_collated=True)]

    def run(self, batch: Any) -> Any:
        self.gate.wait(10)
        return batch

    def judge(self, work: ClaimedBatch) -> None: ...

    def together(self, _: Sequence[ClaimedBatch]) -> dict[UUID, Stored]:
        return {}

    def settle(self, work: ClaimedBatch) -> Stored:
        with self.lock:
            self.in_hand -= 1
            self.settled.append(work)
        return Stored([], [], set())

    def done(self, *_: Any) -> None: ...

    def refused(self, *_: Any) -> None: ...

    def claimed(self, *_: Any) -> None:
        self.gate.wait(10)


@pytest.fixture
def stages() -> Stages:
    return Stages()


@pytest.fixture
def buffer() -> Buffer:
    policy: BatchPolicy[MessageDelivery] = BatchPolicy(lambda _key: BatchLimits(max_batch=2))
    return Buffer(policy, 2)


@pytest.fixture
def pipeline(stages: Stages, buffer: Buffer) -> Iterator[Pipeline]:
    observer = SimpleNamespace(refused=stages.refused, claimed=lambda *_: None, settled=lambda *_: None)
    made = Pipeline(buffer, stages, stages, observer, lanes=2)  # type: ignore[arg-type]  # stands in for three
    made.start()
    yield made
    stages.gate.set()
    made.close()
    wait_until(lambda: made.idle)


def fill(buffer: Buffer, count: int, *, isolation_group: int = 0) -> None:
    parcel = Parcel(SimpleNamespace(), count, 1)
    envelopes = [Envelope(UUID(int=at), 0, 1, 4, isolation_group=isolation_group) for at in range(count)]
    buffer.add([MessageDelivery(parcel, envelope, task=None) for envelope in envelopes])


def test_a_batch_is_claimed_ahead_of_the_lanes_and_no_more(
    pipeline: Pipeline, stages: Stages, buffer: Buffer
) -> None:
    fill(buffer, 20)
    wait_until(lambda: len(stages.claims) == 3)
    assert len(pipeline.unsettled()) == 3
    stages.gate.set()
    wait_until(lambda: len(stages.settled) == 10)
    assert max(held for _, held in stages.claims) >= 2


def test_an_isolated_batch_is_claimed_alone_and_stays_alone(
    pipeline: Pipeline, stages: Stages, buffer: Buffer
) -> None:
    fill(buffer, 4)
    wait_until(lambda: len(stages.claims) == 2)
    for group in (1, 2, 3):
        fill(buffer, 2, isolation_group=group)
        fill(buffer, 2)
    assert len(pipeline.unsettled()) >= 2
    stages.gate.set()
    wait_until(lambda: len(stages.settled) == 8)
    assert [held for apart, held in stages.claims if apart] == [0, 0, 0]
    after = [held for (before, _), (_, held) in zip(stages.claims, stages.claims[1:], strict=False) if before]
    # Its run is over before the next claim; only its settle may still be under way.
    assert max(after, default=0) <= 1


def test_a_batch_being_claimed_at_the_stop_is_among_the_remaining_ones() -> None:
    began, may_end = Event(), Event()
    job = Claimed(UUID(int=1), 1, 1, 3, b"{}", None)

    def claim(_: object) -> tuple[ClaimedBatch, list[Any]]:
        began.set()
        may_end.wait()
        return ClaimedBatch(UUID(int=9), 1, 1, SealReason.IDLE, [], jobs=[job]), []

    buffer, claimer, settler = Mock(), Mock(claim=claim), Mock(together=lambda _: {})
    buffer.next.side_effect = [SimpleNamespace(isolation_group=0), None]
    settler.settle.return_value = None  # the worker stops before the database took it
    pipeline = Pipeline(buffer, claimer, settler, Mock())
    pipeline.start()
    began.wait()
    pipeline.close()
    Timer(0.2, may_end.set).start()  # the later the claim ends, the surer one that does not wait fails
    assert [work.jobs for work in pipeline.remaining()] == [[job]]


def test_a_stage_that_fails_ends_the_pipeline_but_what_has_run_is_stored(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = list[int]()
    monkeypatch.setattr(os, "kill", lambda _pid, number: signals.append(number))
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # the stage raises on, to be logged

    def lose(_: object) -> Any:
        stages.gate.wait(10)
        raise RuntimeError("CUDA error: device-side assert triggered")

    guilty = Mock(side_effect=lose)
    monkeypatch.setattr(stages, "prepare", lambda work: _prepared(stages, work, guilty))
    fill(buffer, 6)
    wait_until(lambda: len(pipeline.unsettled()) == 3)
    stages.gate.set()
    wait_until(lambda: pipeline.idle and pipeline.failed)
    assert signals == [signal.SIGTERM]
    remaining = {work.id for work in pipeline.remaining()}
    stored = {work.id for work in stages.settled}
    (broken,) = {work.id for work in pipeline.unsettled()} - remaining
    assert guilty.call_count == 1
    assert broken not in stored | remaining


@pytest.mark.parametrize(
    ("words", "kept"),
    [("CUDA error: unknown error", 1), ("CUDA error: uncorrectable ECC error encountered", 0)],
)
def test_a_lost_device_ends_the_worker_and_only_work_that_may_be_the_cause_is_kept_apart(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch, words: str, kept: int
) -> None:
    signals, raised = list[int](), list[BaseException | None]()
    monkeypatch.setattr(os, "kill", lambda _pid, number: signals.append(number))
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_value))
    guilty = Mock(side_effect=RuntimeError(words))
    monkeypatch.setattr(stages, "prepare", lambda work: _prepared(stages, work, guilty))
    with device_with(FakeProbe("It does not answer.")) as device:
        device.on_loss = lambda: pipeline.fail("the device is lost")
        stages.gate.set()
        fill(buffer, 1)
        wait_until(lambda: pipeline.idle and raised)
        assert signals == [signal.SIGTERM], "one: a second would hurry the drain"
        assert isinstance(raised[0], DeviceLostError)
        assert (len(pipeline._broken), guilty.call_count, stages.settled) == (kept, 1, [])
        assert len(pipeline.remaining()) == 1 - kept


def test_a_batch_that_ran_before_the_device_was_lost_may_be_the_cause_although_another_found_it(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with device_with(FakeProbe("It does not answer.")) as device:

        def run(batch: Any) -> Any:
            device.lost()  # as another lane finds
            return batch

        monkeypatch.setattr(stages, "run", run)
        monkeypatch.setattr(stages, "judge", Mock(side_effect=device.error()))
        stages.gate.set()
        fill(buffer, 1)
        wait_until(lambda: pipeline.failed)
        assert (len(pipeline._broken), pipeline.remaining()) == (1, [])


def test_what_breaks_a_stage_at_confidential_data_is_not_printed(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = list[str]()
    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr(
        threading, "excepthook", lambda args: printed.extend(format_exception(args.exc_value))
    )
    guilty = Mock(side_effect=RuntimeError("CUDA error: device-side assert triggered by maxima-muster"))

    def prepare(work: ClaimedBatch) -> None:
        work.loaded = SimpleNamespace(info=SimpleNamespace(secrecy=Secrecy(encrypt=True)))  # type: ignore[assignment]
        _prepared(stages, work, guilty)

    monkeypatch.setattr(stages, "prepare", prepare)
    stages.gate.set()
    fill(buffer, 1)
    wait_until(lambda: pipeline.failed and printed)
    assert "StageBrokenError: RuntimeError" in "".join(printed)
    assert "maxima" not in "".join(printed)


def _prepared(stages: Stages, work: ClaimedBatch, guilty: Mock) -> None:
    """Make the batch whose claim was the first break its stage."""
    Stages.prepare(stages, work)
    work.table = table_of("entry_point")
    if len(stages.claims) == 1:
        work.runner = SimpleNamespace(run=guilty, outputs=list, collate=list)


def test_an_isolated_batch_does_not_wait_for_the_lock_of_another_s_row(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = Event()

    def settle(work: ClaimedBatch) -> Stored:
        if work.isolation_group or free.is_set():
            answer: Stored = Stages.settle(stages, work)
            return answer
        return Stored([], [], {job.job for job in work.jobs})

    monkeypatch.setattr(stages, "settle", settle)
    stages.gate.set()
    fill(buffer, 2)
    wait_until(lambda: len(stages.claims) == 1)
    fill(buffer, 2, isolation_group=1)
    wait_until(lambda: [work.isolation_group for work in stages.settled] == [1])
    assert [work.isolation_group for work in pipeline.unsettled()] == [0]
    free.set()
    wait_until(lambda: not pipeline.unsettled())


def test_batches_that_wait_to_be_stored_are_stored_together(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_store, calls = Event(), list[list[ClaimedBatch]]()

    def together(batches: Sequence[ClaimedBatch]) -> dict[UUID, Stored]:
        calls.append(list(batches))
        may_store.wait(10)
        with stages.lock:
            stages.settled.extend(batches)
        return {batch.id: Stored([], [], set()) for batch in batches}

    monkeypatch.setattr(stages, "together", together)
    monkeypatch.setattr(stages, "settle", None)  # so that to call it fails
    stages.gate.set()
    fill(buffer, 2)
    wait_until(lambda: calls)
    fill(buffer, 6)
    wait_until(lambda: pipeline._to_settle.waiting == 3)
    may_store.set()
    wait_until(lambda: len(stages.settled) == 4)
    assert [len(batches) for batches in calls] == [1, 3]


def test_a_batch_whose_outputs_break_the_stage_takes_none_with_it(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    judged, all_wait = list[ClaimedBatch](), Event()

    def judge(work: ClaimedBatch) -> None:
        judged.append(work)
        if len(judged) == 1:
            all_wait.wait(10)
        if len(judged) == 3:
            raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(stages, "judge", judge)
    stages.gate.set()
    fill(buffer, 2)
    wait_until(lambda: judged)
    fill(buffer, 4)
    wait_until(lambda: pipeline._to_settle.waiting == 2)
    all_wait.set()
    wait_until(lambda: pipeline.failed and len(stages.settled) == 2)
    assert [work.id for work in stages.settled] == [work.id for work in judged[:2]]
    assert [work.id for work in pipeline._broken] == [judged[2].id]


def test_log_lines_of_each_stage_name_the_batch_and_the_job_of_a_batch_of_one(
    pipeline: Pipeline, stages: Stages, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = dict[str, dict[str, object]]()

    def noted(stage: str, own: Callable[[Any], Any], work: Any) -> Any:
        seen[stage] = dict(known_ids())
        return own(work)

    for stage in ("run", "judge", "settle"):
        monkeypatch.setattr(stages, stage, partial(noted, stage, getattr(stages, stage)))
    stages.gate.set()
    fill(buffer, 1)
    wait_until(lambda: stages.settled)
    (batch,) = stages.settled
    ids = {"batch": batch.id, "job": batch.jobs[0].job}
    assert seen == {"run": ids, "judge": ids, "settle": ids}
