"""The parts of an attempt telescope, whatever its marks are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.timeline.attempt_marks import AttemptMarks, JobStage, LedgerMarks, split

ZERO = datetime(2026, 11, 29, tzinfo=UTC)
NO_TIME = timedelta(0)
SECONDS = st.floats(-5, 100)
OPTIONAL = st.none() | SECONDS


def at(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


@st.composite
def ledgers(draw: st.DrawFn) -> LedgerMarks:
    names = ("due_ago_s", "published_ago_s", "buffered_s", "sealed_ago_s", "claim_s", "lane_s", "ran_s")
    seconds: dict[str, Any] = {name: draw(OPTIONAL) for name in names}
    return LedgerMarks(claimed_at=at(draw(SECONDS)), **seconds)


@given(ledgers(), st.floats(0, 200))
def test_the_parts_add_up_to_the_whole_and_leave_no_gap(ledger: LedgerMarks, took_s: float) -> None:
    marks = AttemptMarks(begin=ZERO, end=at(took_s), ends=ledger.ends(), last=ledger.last)
    parts = split(marks)
    assert [part.begin for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert (parts[0].begin, parts[-1].end) == (marks.begin, marks.end)
    assert sum(part.seconds for part in parts) == pytest.approx(took_s, abs=0.005)
    assert all(part.end - part.begin >= NO_TIME for part in parts)
    order = list(JobStage)
    assert [part.part for part in parts] == sorted({part.part for part in parts}, key=order.index)


def test_a_settled_member_has_each_stage() -> None:
    ledger = LedgerMarks(
        claimed_at=at(10), due_ago_s=10, published_ago_s=8, buffered_s=3, sealed_ago_s=1, claim_s=1.5,
        lane_s=0.5, ran_s=4,
    )  # fmt: skip
    parts = split(AttemptMarks(begin=ZERO, end=at(16), ends=ledger.ends(), last=ledger.last))
    assert {part.part.value: part.seconds for part in parts} == {
        "outbox": 2.0, "broker": 4.0, "buffer": 3.0, "claim": 1.5, "lane": 0.5, "run": 4.0, "settle": 1.0,
    }  # fmt: skip
    assert ledger.received_at == at(6)


def test_a_run_that_seems_to_end_after_the_job_is_short_and_there() -> None:
    ledger = LedgerMarks(claimed_at=at(4), due_ago_s=4, buffered_s=1, claim_s=0.5, lane_s=1.0, ran_s=0.5)
    parts = split(AttemptMarks(begin=at(0), end=at(5.25), ends=ledger.ends(), last=ledger.last))
    seconds = {part.part: part.seconds for part in parts}
    assert (seconds[JobStage.LANE], seconds[JobStage.RUN], seconds[JobStage.SETTLE]) == (0.75, 0.0, 0.0)
    assert sum(seconds.values()) == 5.25


def test_a_batch_that_never_ran_has_no_run() -> None:
    ledger = LedgerMarks(claimed_at=at(1), due_ago_s=1, claim_s=0.5, lane_s=1.0)
    parts = split(AttemptMarks(begin=ZERO, end=at(5), ends=ledger.ends(), last=ledger.last))
    assert [part.part for part in parts][-2:] == [JobStage.LANE, JobStage.SETTLE]


def test_a_batch_without_times_ran_until_its_end() -> None:
    ledger = LedgerMarks(claimed_at=at(4), due_ago_s=4, buffered_s=1)
    parts = split(AttemptMarks(begin=ZERO, end=at(9), ends=ledger.ends(), last=ledger.last, is_open=True))
    assert (parts[-1].part, parts[-1].seconds, parts[-1].is_open) == (JobStage.RUN, 5.0, True)
    assert not any(part.is_open for part in parts[:-1])


def test_a_job_that_is_cancelled_before_it_was_due_only_paused() -> None:
    ends = {JobStage.BACKOFF: at(10)}
    (part,) = split(AttemptMarks(begin=ZERO, end=at(3), ends=ends, last=JobStage.OUTBOX))
    assert (part.part, part.seconds) == (JobStage.BACKOFF, 3.0)


def test_a_rounded_due_time_is_no_backoff() -> None:
    ledger = LedgerMarks(claimed_at=at(4), due_ago_s=3.9999995)
    parts = split(AttemptMarks(begin=ZERO, end=at(5), ends=ledger.ends(), last=ledger.last))
    assert parts[0].part is JobStage.OUTBOX
