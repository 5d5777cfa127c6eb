"""The sampler: a few jobs of watched versions, written by the hour, and never in the way of a batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from uuid import UUID, uuid4

import msgspec
import pytest
import sqlalchemy as sa

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.drift.field_names import CONFIDENCE, LABEL, SIZE
from jobs.core.drift.sample_pace import SamplePace
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.payloads.pointer import StoredPayload, pointer_bytes
from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.sketch_rows import SketchRow
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.drift import drift_sampler
from jobs.worker.drift.drift_sampler import MOST_WAITING, DriftSampler
from jobs.worker.drift.sampled_reports import SampledReports
from jobs.worker.stages.claimed_batch import ClaimedBatch
from models_registry.core.options import PlatformOptions
from tests.support.wait import wait_until

MONITOR = {"inputs": ["/x"], "confidence": "/sure", "label": "/name"}
VERSION = 7
WORKER = UUID(int=9)
Written = list[list[SketchRow]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Return what is written, flush by flush."""
    flushes: Written = []
    monkeypatch.setattr(drift_sampler, "write_sketches", lambda _, __, rows: flushes.append(list(rows)))
    return flushes


@pytest.fixture
def stop() -> Iterator[Event]:
    event = Event()
    yield event
    event.set()


@pytest.fixture
def sampler(written: Written, stop: Event) -> DriftSampler:
    engine = Mock()
    engine.begin = contextlib.nullcontext
    return DriftSampler(engine, WORKER, stop=stop)


def batch_of(*jobs: Claimed, monitor: Any = None) -> ClaimedBatch:
    batch = ClaimedBatch(uuid4(), VERSION, 1, SealReason.IDLE, [], jobs=list(jobs), model="echo")
    options = PlatformOptions.of({"monitor": MONITOR if monitor is None else monitor})
    batch.loaded = SimpleNamespace(info=SimpleNamespace(platform_options=options))  # type: ignore[assignment]  # all that is read
    return batch


def job(body: bytes = b'{"x":5}', *, attempts: int = 1, encoding: str = "identity") -> Claimed:
    return Claimed(uuid4(), 1, attempts, 3, body, None, encoding=encoding)


def offered(sampler: DriftSampler, batch: ClaimedBatch, body: bytes = b'{"sure":0.5,"name":"cat"}') -> None:
    sampler.claimed(batch)
    sampler.offer(batch, [Verdict(one.job, 1, Success(body)) for one in batch.jobs])


def read_all(sampler: DriftSampler, written: Written, jobs: int) -> dict[str, tuple[int, int]]:
    """Let the thread read so many samples; return what a flush then writes: values and missing by field."""
    sampler.start()
    wait_until(lambda: sampler.read == jobs)
    sampler.flush()
    return {row.field: (row.n, row.missing) for row in written[-1]}


def test_a_job_is_read_into_the_fields_that_its_version_watches(
    sampler: DriftSampler, written: Written
) -> None:
    offered(sampler, batch_of(job(), job(b'{"x":"text"}'), job(b"{}")))
    assert read_all(sampler, written, 3) == {
        SIZE: (3, 0), "input:/x": (1, 1), "input:/x:length": (1, 0), CONFIDENCE: (3, 0), LABEL: (3, 0),
    }  # fmt: skip


def test_a_version_that_is_not_watched_costs_nothing(sampler: DriftSampler, written: Written) -> None:
    offered(sampler, batch_of(job(), monitor={}))
    assert sampler.waiting == 0
    sampler.flush()
    assert not written


def test_only_first_attempts_are_sampled(sampler: DriftSampler) -> None:
    offered(sampler, batch_of(job(), job(attempts=2)))
    assert sampler.waiting == 1


def test_of_a_large_batch_some_jobs_are_sampled_by_chance(sampler: DriftSampler, written: Written) -> None:
    jobs = [job(msgspec.json.encode({"x": number})) for number in range(500)]
    offered(sampler, batch_of(*jobs))
    assert read_all(sampler, written, 20)["input:/x"] == (20, 0)
    numbers = FieldSketch("input:/x")
    numbers.merge(next(row.body for row in written[-1] if row.field == "input:/x"), 0)
    assert numbers.summary()["quantiles"]["0.75"] > 100


def test_a_reader_that_is_behind_loses_samples_and_holds_nobody_up(
    sampler: DriftSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SamplePace, "take", lambda _, jobs, __: jobs)
    for _ in range(10):
        offered(sampler, batch_of(*(job() for _ in range(20))))
    assert sampler.waiting == MOST_WAITING


def test_a_failed_job_has_an_input_and_no_output(sampler: DriftSampler, written: Written) -> None:
    batch = batch_of(job())
    sampler.claimed(batch)
    failure = Failure(FailureKind.INVALID, "bad", "it's bad")
    sampler.offer(batch, [Verdict(batch.jobs[0].job, 1, failure)])
    assert read_all(sampler, written, 1) == {SIZE: (1, 0), "input:/x": (1, 0)}


def test_of_sealed_and_large_payloads_only_the_size_is_known(sampler: DriftSampler, written: Written) -> None:
    pointer = pointer_bytes(StoredPayload("a", size=5_000_000, sha256="0" * 64))
    batch = batch_of(job(b"sealed", encoding="of-job"), job(pointer))
    sampler.claimed(batch)
    outputs = (Success(b"sealed", "of-job"), Success(pointer))
    sampler.offer(
        batch, [Verdict(one.job, 1, output) for one, output in zip(batch.jobs, outputs, strict=True)]
    )
    assert read_all(sampler, written, 2) == {SIZE: (2, 0)}


def test_a_sample_that_cannot_be_read_ends_nothing(sampler: DriftSampler, written: Written) -> None:
    offered(sampler, batch_of(job(b"{"), job()))
    assert read_all(sampler, written, 2)["input:/x"] == (1, 0)


def test_an_hour_is_written_as_a_whole_each_time(sampler: DriftSampler, written: Written) -> None:
    offered(sampler, batch_of(job()))
    read_all(sampler, written, 1)
    sampler.flush()
    assert len(written) == 1  # nothing has changed
    offered(sampler, batch_of(job()))
    wait_until(lambda: sampler.read == 2)
    sampler.flush()
    assert [next(row.n for row in rows if row.field == SIZE) for rows in written] == [1, 2]


def test_what_a_failing_database_does_not_take_is_written_later(
    sampler: DriftSampler, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered(sampler, batch_of(job()))
    failing = Mock(side_effect=sa.exc.OperationalError("", {}, Exception()))
    with monkeypatch.context() as patched:
        patched.setattr(drift_sampler, "write_sketches", failing)
        sampler.start()
        wait_until(lambda: sampler.read == 1)
        sampler.flush()
    assert failing.called
    assert not written
    sampler.flush()
    assert {row.n for row in written[0]} == {1}


def test_reports_come_before_samples() -> None:
    order: list[str] = []
    reports, sampler = Mock(), Mock()
    reports.settled.side_effect = lambda *_: order.append("report")
    sampler.offer.side_effect = lambda *_: order.append("sample")
    observer = SampledReports(reports, sampler)
    observer.settled(batch_of(job()), [], [])
    observer.refused([])
    observer.claimed(batch_of(job()))
    assert order == ["report", "sample"]
    assert reports.refused.called
    assert sampler.claimed.called
