"""What a settled batch adds to the metrics: its jobs' stages add up to the whole; failures are counted."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Failure, FailureKind, Known, Outcome, Success
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.stages import Stage
from jobs.core.states import State
from jobs.db import database_clock
from jobs.db.new_ids import new_ids
from jobs.metrics.busiest_names import FirstNames
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.reporting import batch_counts
from jobs.worker.reporting.batch_counts import count_settled
from jobs.worker.stages.claimed_batch import ClaimedBatch
from tests.support.samples import Samples

MODEL = "counted"
BEFORE = (Stage.OUTBOX, Stage.BROKER, Stage.BUFFER)
SHARED = (Stage.CLAIM, Stage.LANE, Stage.RUN, Stage.SETTLE)
DONE = Success(b"1")
BAD = Failure(FailureKind.INTERNAL, "Boom-4711", "boom", known=Known("Boom"))
LATE = Failure(FailureKind.TIMEOUT, "batch_limit", "late")


@pytest.fixture
def counted() -> Samples:
    return Samples()


def batch_of(
    jobs: Sequence[Claimed], received_at: Sequence[float], *, ran: bool = True, units: int = 1
) -> ClaimedBatch:
    """A batch that was sealed at 100 s and settled at 100.5 s."""
    deliveries: list[Any] = [
        SimpleNamespace(job=job.job, units=units, parcel=SimpleNamespace(received_at=at))
        for job, at in zip(jobs, received_at, strict=True)
    ]
    return ClaimedBatch(
        UUID(int=7), 1, len(jobs) * units, SealReason.FULL, deliveries,
        jobs=list(jobs), model=MODEL, sealed_at=100.0, claim_ended=100.1, lane_ended=100.15,
        run_began=100.15 if ran else None, ran_s=0.3 if ran else 0.0, settled_at=100.5,
    )  # fmt: skip


def first_claims(marks: Sequence[tuple[float, float]]) -> list[Claimed]:
    """Jobs in their first attempt, by how long ago, at the claim, each was due and published."""
    ids = new_ids(len(marks))
    return [
        Claimed(job, 1, 1, 3, b"", None, due_ago_s=due, published_ago_s=published, sealed_ago_s=0.05)
        for job, (due, published) in zip(ids, marks, strict=True)
    ]


def verdicts(batch: ClaimedBatch, *outcomes: Outcome, after: Any = None) -> list[Verdict]:
    return [
        Verdict(job.job, job.epoch, outcome, None if isinstance(outcome, Success) else after)
        for job, outcome in zip(batch.jobs, outcomes, strict=True)
    ]


def settle(
    batch: ClaimedBatch, state: State = State.SUCCEEDED, outcome: Outcome = DONE, after: Any = None
) -> None:
    given = verdicts(batch, *[outcome] * len(batch.jobs), after=after)
    count_settled(batch, given, {job.job: state for job in batch.jobs})


def seconds(counted: Samples, stage: Stage) -> float:
    return counted("inference_stage_seconds_sum", model=MODEL, stage=stage.value)


def number(counted: Samples, stage: Stage) -> float:
    return counted("inference_stage_seconds_count", model=MODEL, stage=stage.value)


def test_the_stages_of_jobs_that_succeed_at_once_add_up_to_the_whole(counted: Samples) -> None:
    jobs = first_claims([(2.05, 1.55), (1.05, 0.55), (0.35, 0.25)])
    settle(batch_of(jobs, [99.0, 99.6, 99.8]))
    assert [number(counted, stage) for stage in (*BEFORE, *SHARED)] == [3] * 7
    assert seconds(counted, Stage.OUTBOX) == pytest.approx(0.5 + 0.5 + 0.1)
    assert seconds(counted, Stage.BROKER) == pytest.approx(0.5 + 0.1 + 0.0)
    assert seconds(counted, Stage.BUFFER) == pytest.approx(1.0 + 0.4 + 0.2)
    assert [seconds(counted, stage) / 3 for stage in SHARED] == pytest.approx([0.1, 0.05, 0.3, 0.05])
    whole = counted("inference_job_seconds_sum", model=MODEL, outcome="succeeded")
    assert whole == pytest.approx(2.0 + 1.0 + 0.3 + 3 * 0.5)
    assert sum(seconds(counted, stage) for stage in (*BEFORE, *SHARED)) == pytest.approx(whole, abs=0.005)
    assert counted("inference_job_seconds_count", model=MODEL, outcome="succeeded") == 3
    assert counted("inference_jobs_settled_total", model=MODEL, outcome="succeeded") == 3


def test_each_job_s_wait_is_in_its_own_bucket(counted: Samples) -> None:
    settle(batch_of(first_claims([(0.06, 0.055), (40.05, 0.055)]), [100.0, 100.0]))
    name, labels = "inference_stage_seconds_bucket", {"model": MODEL, "stage": "outbox"}
    assert [counted(name, le=edge, **labels) for edge in ("0.001", "0.005", "15.0", "60.0", "+Inf")] == [
        0, 1, 1, 2, 2,
    ]  # fmt: skip


def test_a_batch_that_never_ran_has_no_run_and_its_model_s_name(counted: Samples) -> None:
    batch = batch_of(first_claims([(0.06, 0.055)]), [100.0], ran=False)
    settle(batch, State.DEAD, BAD, Bury("no"))
    assert number(counted, Stage.RUN) == 0
    assert seconds(counted, Stage.SETTLE) == pytest.approx(0.35), "what was no run is in the next stage"
    assert number(counted, Stage.SETTLE) == 1
    whole = counted("inference_job_seconds_sum", model=MODEL, outcome="dead")
    assert sum(seconds(counted, stage) for stage in (*BEFORE, *SHARED)) == pytest.approx(whole)


def test_a_later_attempt_counts_from_the_job_s_creation(
    counted: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = first_claims([(0.06, 0.055)])
    again = Claimed(first.job, 3, 2, 3, b"", None, due_ago_s=0.06, published_ago_s=0.055, sealed_ago_s=0.05)
    created_s = (first.job.int >> 80) / 1_000
    monkeypatch.setattr(database_clock, "now_s", lambda: created_s + 12.0)
    settle(batch_of([again], [100.0]))
    assert counted("inference_job_seconds_sum", model=MODEL, outcome="succeeded") == pytest.approx(
        12.0, abs=0.002
    )


def test_a_job_whose_marks_are_unknown_has_no_waits(counted: Samples) -> None:
    job = Claimed(new_ids(1)[0], 1, 1, 3, b"", None)
    settle(batch_of([job], [100.0]))
    assert number(counted, Stage.OUTBOX) == 0
    assert number(counted, Stage.RUN) == 1


def test_retries_and_deaths_are_counted_by_what_the_code_says_and_not_the_input(counted: Samples) -> None:
    jobs = first_claims([(0.06, 0.055)] * 3)
    batch = batch_of(jobs, [100.0] * 3)
    given = [
        Verdict(jobs[0].job, 1, BAD, RetryAfter(1.0)),
        Verdict(jobs[1].job, 1, LATE, Bury("no")),
        Verdict(jobs[2].job, 1, LATE, Bury("no")),
    ]
    count_settled(batch, given, {jobs[0].job: State.WAITING, jobs[1].job: State.DEAD})
    assert counted("inference_job_retries_total", kind="internal", code="Boom") == 1
    assert counted("inference_job_deaths_total", kind="timeout", code="batch_limit") == 1
    assert counted("inference_verdicts_fenced_total", model=MODEL) == 1
    assert counted("inference_job_seconds_count", model=MODEL, outcome="dead") == 1
    assert counted("inference_jobs_settled_total", model=MODEL, outcome="waiting") == 1


def test_codes_beyond_the_first_are_other(counted: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_counts, "_codes", FirstNames(1))
    for code in ("one_4711", "two_4711"):
        failure = Failure(FailureKind.INTERNAL, code, "x")
        settle(batch_of(first_claims([(0.06, 0.055)]), [100.0]), State.DEAD, failure, Bury("no"))
    assert counted("inference_job_deaths_total", kind="internal", code="one_4711") == 1
    assert counted("inference_job_deaths_total", kind="internal", code="two_4711") == 0


def test_a_batch_of_which_jobs_were_locked_counts_once_and_its_jobs_when_they_are_stored(
    counted: Samples,
) -> None:
    jobs = first_claims([(0.06, 0.055)] * 3)
    rest = batch_of(jobs, [100.0] * 3)
    done = rest.split_off({jobs[2].job})
    settle(done)
    settle(rest)
    assert counted("inference_batches_total", model=MODEL, reason="full") == 1
    assert number(counted, Stage.RUN) == 3


def test_the_padding_of_a_batch_is_the_part_that_is_no_input(counted: Samples) -> None:
    batch = batch_of(first_claims([(0.06, 0.055)] * 2), [100.0] * 2, units=10)
    batch.deliveries[0].units = 5
    settle(batch)
    settle(batch_of(first_claims([(0.06, 0.055)]), [100.0]))
    assert counted("inference_batch_padding_ratio_count", model=MODEL) == 1, "where nothing is padded, none"
    assert counted("inference_batch_padding_ratio_sum", model=MODEL) == pytest.approx(0.25)
    assert counted("inference_batch_size_jobs_sum", model=MODEL) == 3
