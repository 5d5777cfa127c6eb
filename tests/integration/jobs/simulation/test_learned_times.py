"""The times of a version come back from its rows of the ledger, and only from those."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from jobs.core.errors import ModelNotFoundError, NoHistoryError
from jobs.core.ids import uuid7
from jobs.models import Batch, Worker
from jobs.services.simulation.learn_times import learn_times
from models_registry.models import ModelVersion, VersionLoad
from models_registry.selectors import forget
from tests.support.factories import make_job, make_version, make_worker


@pytest.fixture(autouse=True)
def _nothing_remembered(db: str) -> None:
    forget()  # because ids begin at 1 again with each test


def record(
    worker: Worker, version: ModelVersion, *, ago_s: float, size: int, ran_s: float, failed: int = 0
) -> None:
    """A batch: delivered within 20 ms, claimed in 5 ms, on its free lane 1 ms later, settled 2 ms after."""
    claimed_at = datetime.now(UTC) - timedelta(seconds=ago_s)
    since_seal_s = 0.005 + 0.001 + ran_s + 0.002
    Batch.objects.create(
        id=uuid7(int((time.time() - ago_s) * 1_000), uuid4().int),
        worker=worker,
        version=version,
        members=[UUID(int=n) for n in range(size)],
        size=size,
        padded_size=size * 10,
        seal_reason="idle",
        claimed_at=claimed_at,
        due_ago_s=[0.034] * size,
        published_ago_s=[0.024] * size,
        buffered_s=[0.010] * size,
        sealed_ago_s=0.004,
        claim_s=0.005,
        lane_s=0.001,
        ran_s=ran_s,
        finished_at=claimed_at + timedelta(seconds=since_seal_s - 0.004),
        failed=failed,
    )


def test_each_time_of_a_batch_is_learned(db: str) -> None:
    worker, version = make_worker(lanes=1), make_version("echo")
    for number in range(60):
        size = 1 + number % 16
        record(worker, version, ago_s=100.0 - number, size=size, ran_s=0.04 + 0.001 * size)
    times = learn_times(model="echo", window_s=3_600.0)
    assert (times.run.base_s, times.run.per_unit_s) == pytest.approx((0.04, 0.001), rel=0.02)
    assert times.overheads.deliver_s == pytest.approx(0.020, rel=0.05)
    assert times.overheads.claim.mean_s(8) == pytest.approx(0.006, rel=0.05)
    assert times.overheads.settle.mean_s(8) == pytest.approx(0.007, rel=0.1)  # as long as a claim, and 2 ms
    assert times.runs == 60
    assert times.arrivals_per_s == pytest.approx(8.4, rel=0.1)
    assert (times.load_s, times.sizes) == (None, (1,))


def test_failed_and_older_batches_and_those_of_others_teach_nothing(db: str) -> None:
    worker, version, other = make_worker(lanes=1), make_version("echo"), make_version("sleeper")
    for number in range(20):
        record(worker, version, ago_s=50.0 - number, size=4, ran_s=0.05)
        record(worker, version, ago_s=7_300.0 - number, size=4, ran_s=9.0)
        record(worker, version, ago_s=50.0 - number, size=4, ran_s=9.0, failed=1)
        record(worker, other, ago_s=50.0 - number, size=4, ran_s=9.0)
    times = learn_times(model="echo", window_s=3_600.0)
    assert times.runs == 20
    assert times.run.mean_s(4) == pytest.approx(0.05, rel=0.01)


def test_sizes_and_load_times_are_those_of_the_version(db: str) -> None:
    worker, version = make_worker(lanes=1), make_version("echo", padded=True)
    record(worker, version, ago_s=50.0, size=4, ran_s=0.05)
    for size in (30, 7):
        make_job(version=version, size=size, id=uuid7(int(time.time() * 1_000), uuid4().int))
    VersionLoad.objects.create(version=version, node="gpu-0@tests", state="loaded", load_s=2.5)
    times = learn_times(model="echo", version=version.version, window_s=3_600.0)
    assert sorted(times.sizes) == [7, 30]
    assert times.load_s == 2.5
    assert times.run.mean_s(40) == pytest.approx(0.05, rel=0.01)  # by padded size


def test_without_batches_the_error_says_what_is_missing(db: str) -> None:
    make_version("echo")
    with pytest.raises(NoHistoryError, match=r"No batch of echo:.* Run some jobs"):
        learn_times(model="echo", window_s=60.0)
    with pytest.raises(ModelNotFoundError):
        learn_times(model="nobody", window_s=60.0)
