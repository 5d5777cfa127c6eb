"""A model's context passes on the newest report of each job, in any piece of the batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Failure, FailureKind
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.progress import ProgressReport
from jobs.worker import progress_channel
from jobs.worker.batch_context import BatchContext
from jobs.worker.progress_channel import ProgressChannel
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.execute import execute_all
from models_registry.core.context import SILENT, Context, Progress
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Echo, Stepper
from tests.support.wait import wait_until

JOBS = [(UUID(int=n), 10 + n) for n in range(4)]


class Reporting(Echo):
    """Reports each input as its item's message; `broken` inputs raise."""

    def run(self, batch: list[Any], context: Context = SILENT) -> list[Any]:
        for index, value in enumerate(batch):
            context.progress(index, 0.5, str(value))
        if "broken" in batch:
            raise ValueError("broken")
        return [None if context.cancelled(index) else value for index, value in enumerate(batch)]


def work(runner: Echo, inputs: list[Any]) -> ClaimedBatch:
    deliveries: list[Any] = [SimpleNamespace(envelope=SimpleNamespace(size=1)) for _ in inputs]
    jobs = [Claimed(job, epoch, 1, 3, b"{}", None) for job, epoch in JOBS[: len(inputs)]]
    pieces = [BatchPiece(list(range(len(inputs))), [Item(value) for value in inputs])]
    return ClaimedBatch(
        UUID(int=9), 1, 1, SealReason.FULL, deliveries, jobs=jobs, runner=runner, pieces=pieces
    )


def test_each_job_s_newest_report_is_taken_once_with_the_count_of_all() -> None:
    batch = BatchContext(UUID(int=9), JOBS)
    piece = batch.of([2, 0])
    piece.progress(0, 0.1)
    piece.progress(0, 0.2, "again")
    piece.progress(1, 1, "done")
    assert batch.take() == {
        JOBS[2][0]: ProgressReport(12, 2, 0.2, "again"),
        JOBS[0][0]: ProgressReport(10, 1, 1.0, "done"),
    }
    assert batch.take() == {}
    piece.progress(0, 0.3)
    assert batch.take()[JOBS[2][0]].step == 3


def test_a_report_of_no_item_is_an_error() -> None:
    with pytest.raises(IndexError):
        BatchContext(UUID(int=9), JOBS).of([0]).progress(1, 0.5)


def test_a_split_batch_reports_each_job_by_its_own_id() -> None:
    batch = work(Reporting(), ["a", "b", "broken", "d"])
    batch.context = BatchContext(batch.id, JOBS)
    execute_all(batch)
    messages = {job.int: report.message for job, report in batch.context.take().items()}
    assert messages == {0: "a", 1: "b", 2: "broken", 3: "d"}
    failed = [piece.positions for piece in batch.pieces if isinstance(piece.raw_outputs, Failure)]
    assert failed == [[2]]


def test_only_a_job_with_a_void_claim_is_cancelled_for_its_model() -> None:
    batch = work(Reporting(), ["a", "b", "c"])
    batch.context = BatchContext(batch.id, JOBS[:3])
    batch.context.lose({JOBS[1][0]})
    execute_all(batch)
    assert batch.pieces[0].raw_outputs == ["a", None, "c"]
    assert batch.context.cut_short


def test_a_fraction_out_of_range_fails_like_any_error_of_a_model() -> None:
    class Wrong(Echo):
        def run(self, batch: list[Any], context: Context = SILENT) -> list[Any]:
            context.progress(0, 2.0)
            return batch

    batch = work(Wrong(), ["a"])
    batch.context = BatchContext(batch.id, JOBS[:1])
    execute_all(batch)
    assert isinstance(batch.pieces[0].raw_outputs, Failure)
    assert batch.pieces[0].raw_outputs.kind is FailureKind.INTERNAL


class Database:
    """Notes the reports, and returns the jobs whose claim is void."""

    def __init__(self) -> None:
        self.written: list[dict[UUID, ProgressReport]] = []
        self.gone: set[UUID] = set()
        self.looks = 0
        self.changed = Event()

    @contextmanager
    def begin(self) -> Iterator[None]:
        yield

    def write(self, _connection: None, *, batch: UUID, reports: dict[UUID, ProgressReport]) -> None:
        del batch
        self.written.append(reports)
        self.changed.set()

    def withdrawn(self, _connection: None, *, held: list[tuple[UUID, int]]) -> set[UUID]:
        del held
        self.looks += 1
        return self.gone


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(progress_channel, "write_progress", made.write)
    monkeypatch.setattr(progress_channel, "taken_away", made.withdrawn)
    monkeypatch.setattr(progress_channel, "EVERY_S", 0.01)
    return made


@pytest.fixture
def channel(database: Database) -> ProgressChannel:
    return ProgressChannel(database)  # type: ignore[arg-type]  # stands in for an engine


def test_a_model_that_takes_no_context_starts_nothing(channel: ProgressChannel) -> None:
    batch = work(Echo(), ["a"])
    channel.serve(batch)
    assert batch.context is None
    assert channel._thread is None


def test_the_last_reports_of_a_closed_batch_are_written_and_it_is_forgotten(
    channel: ProgressChannel, database: Database
) -> None:
    batch = work(Stepper(1, 0), ["a"])
    channel.serve(batch)
    assert batch.context is not None
    batch.context.report(0, Progress(1.0, "done"))
    batch.context.closed = True
    assert database.changed.wait(10)
    assert database.written == [{JOBS[0][0]: ProgressReport(10, 1, 1.0, "done")}]
    wait_until(lambda: not channel._open)
    assert not channel._has_contexts.is_set()
    assert database.looks == 0


def test_cancels_are_read_only_for_a_model_that_asks(channel: ProgressChannel, database: Database) -> None:
    batch = work(Stepper(1, 0), ["a", "b"])
    channel.serve(batch)
    assert batch.context is not None
    context = batch.context.of([0, 1])
    database.gone = {JOBS[1][0]}
    wait_until(lambda: context.cancelled(1))
    assert not context.cancelled(0)
    batch.context.closed = True
