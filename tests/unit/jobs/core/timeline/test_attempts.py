"""A job's life is divided into attempts, from its events, its batches and its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.states import TERMINAL, State
from jobs.core.timeline.attempt_marks import JobStage, LedgerMarks
from jobs.core.timeline.attempts import (
    CANCELLED,
    FAILED,
    REPLAYED,
    REROUTED,
    RESCUED,
    SWEEPER,
    TAKEN_BACK,
    JobMarks,
    OutboxMarks,
    PastEvent,
    PauseReason,
    TimelineAttempt,
    attempts_of,
)

ZERO = datetime(2026, 11, 29, tzinfo=UTC)
FIRST, SECOND = UUID(int=1), UUID(int=2)


def at(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


def job(state: State = State.SUCCEEDED, *, end_s: float = 100.0, **columns: Any) -> JobMarks:
    finished = at(end_s) if state in TERMINAL else None
    row: dict[str, Any] = {"epoch": 1, "created_at": ZERO, "finished_at": finished}
    return JobMarks(now=at(end_s), state=state, **row | columns)


def parts(attempt: TimelineAttempt) -> dict[JobStage, float]:
    return {part.part: part.seconds for part in attempt.parts}


def test_a_retry_waits_until_it_is_due_and_names_what_failed() -> None:
    ledger = {
        FIRST: LedgerMarks(claimed_at=at(2), due_ago_s=2, claim_s=0, lane_s=0, ran_s=3),
        SECOND: LedgerMarks(claimed_at=at(20), due_ago_s=4, claim_s=0, lane_s=0, ran_s=3),
    }
    failed = PastEvent(at(6), FAILED, "worker", FIRST, "busy", 10.0)
    first, second = attempts_of(job(end_s=24.0, batch=SECOND, epoch=2), [failed], ledger)
    assert (first.outcome, first.code, first.batch) == ("failed", "busy", FIRST)
    assert parts(first)[JobStage.SETTLE] == 1.0
    assert (second.pause, second.failed_with, second.outcome) == (PauseReason.RETRY, "busy", "succeeded")
    assert parts(second)[JobStage.BACKOFF] == 10.0
    assert second.longest.part is JobStage.BACKOFF


def test_a_job_that_died_with_its_last_attempt_has_no_attempt_after_it() -> None:
    ledger = {FIRST: LedgerMarks(claimed_at=at(2), due_ago_s=2)}
    failed = PastEvent(at(9), FAILED, SWEEPER, FIRST, "worker_died")
    (only,) = attempts_of(job(State.DEAD, end_s=9.0, batch=FIRST), [failed], ledger)
    assert (only.outcome, parts(only)[JobStage.RUN]) == ("worker died", 7.0)


@pytest.mark.parametrize(
    ("before", "outcome", "spent"),
    [
        ([], State.EXPIRED, {JobStage.OUTBOX: 40.0}),
        ([PastEvent(at(40), CANCELLED)], State.CANCELLED, {JobStage.OUTBOX: 40.0}),
        ([], State.DEAD, {JobStage.OUTBOX: 40.0}),
    ],
)
def test_the_time_before_an_end_without_an_attempt_is_an_attempt_of_its_own_after_a_replay(
    before: list[PastEvent], outcome: State, spent: dict[JobStage, float]
) -> None:
    replayed = PastEvent(at(90), REPLAYED, "olga", was=outcome, ended_at=at(40))
    waits = job(State.QUEUED, epoch=2, outbox=OutboxMarks(at(90)))
    first, second = attempts_of(waits, [*before, replayed], {})
    assert (first.outcome, parts(first)) == (outcome, spent)
    assert parts(second) == {JobStage.BACKOFF: 50.0, JobStage.OUTBOX: 10.0}
    assert second.pause is PauseReason.REPLAY


def test_what_ran_when_it_was_cancelled_ran_until_then() -> None:
    ledger = {FIRST: LedgerMarks(claimed_at=at(2), due_ago_s=2)}
    events = [
        PastEvent(at(30), CANCELLED),
        PastEvent(at(90), REPLAYED, batch=FIRST, was="cancelled", ended_at=at(30)),
    ]
    first, second = attempts_of(job(State.QUEUED, outbox=OutboxMarks(at(90))), events, ledger)
    assert (first.batch, parts(first)[JobStage.RUN], first.outcome) == (FIRST, 28.0, "cancelled")
    assert parts(second)[JobStage.BACKOFF] == 60.0


def test_a_job_that_expired_while_it_waited_for_its_retry_has_both_ends() -> None:
    ledger = {FIRST: LedgerMarks(claimed_at=at(2), due_ago_s=2)}
    events = [
        PastEvent(at(6), FAILED, "worker", FIRST, "busy", 20.0),
        PastEvent(at(90), REPLAYED, batch=FIRST, was="expired", ended_at=at(40)),
    ]
    attempts = attempts_of(job(State.QUEUED, outbox=OutboxMarks(at(90))), events, ledger)
    assert [attempt.outcome for attempt in attempts] == ["failed", "expired", "queued"]
    assert parts(attempts[1]) == {JobStage.BACKOFF: 20.0, JobStage.OUTBOX: 14.0}


def test_a_failure_whose_event_is_there_is_no_second_attempt_of_a_replayed_job() -> None:
    ledger = {FIRST: LedgerMarks(claimed_at=at(2), due_ago_s=2)}
    events = [
        PastEvent(at(9.01), FAILED, "worker", FIRST, "bad"),
        PastEvent(at(90), REPLAYED, batch=FIRST, was="dead", ended_at=at(9)),
    ]
    attempts = attempts_of(job(State.QUEUED, outbox=OutboxMarks(at(90))), events, ledger)
    assert [attempt.outcome for attempt in attempts] == ["failed", "queued"]


@pytest.mark.parametrize(
    ("outbox", "part", "seconds"),
    [
        (OutboxMarks(at(2)), JobStage.OUTBOX, 8.0),
        (OutboxMarks(at(2), at(4)), JobStage.BROKER, 6.0),
        (OutboxMarks(at(30)), JobStage.BACKOFF, 10.0),
    ],
)
def test_a_job_that_waits_says_what_for_and_how_long_so_far(
    outbox: OutboxMarks, part: JobStage, seconds: float
) -> None:
    failed = PastEvent(at(0), FAILED, "worker", FIRST, "busy", 2.0)
    waiting = job(State.WAITING, end_s=10.0, batch=FIRST, outbox=outbox)
    *_, last = attempts_of(waiting, [failed], {})
    assert (last.parts[-1].part, last.parts[-1].seconds, last.parts[-1].is_open) == (part, seconds, True)
    assert last.batch is None


def test_a_follower_waits_for_its_leader_and_may_run_itself_in_the_end() -> None:
    (only,) = attempts_of(job(State.QUEUED, epoch=0, shares=True), [], {})
    assert (only.longest.part, only.longest.is_open) == (JobStage.FOLLOW, True)
    ledger = {FIRST: LedgerMarks(claimed_at=at(90), due_ago_s=10)}
    (promoted,) = attempts_of(job(batch=FIRST, may_follow=True), [], ledger)
    assert parts(promoted)[JobStage.FOLLOW] == 80.0


@pytest.mark.parametrize("may_follow", [False, True])
def test_a_job_whose_submit_took_long_followed_nobody(may_follow: bool) -> None:  # noqa: FBT001
    ledger = {FIRST: LedgerMarks(claimed_at=at(10), due_ago_s=9.9 if may_follow else 5.0)}
    (only,) = attempts_of(job(batch=FIRST, may_follow=may_follow), [], ledger)
    assert next(iter(parts(only))) is JobStage.OUTBOX


def test_a_job_that_was_given_back_begins_its_next_attempt_there() -> None:
    ledger = {
        FIRST: LedgerMarks(claimed_at=at(10), due_ago_s=10),
        SECOND: LedgerMarks(claimed_at=at(50), due_ago_s=20),
    }
    back = PastEvent(at(30), TAKEN_BACK, SWEEPER, FIRST, "worker_died")
    first, second = attempts_of(job(batch=SECOND, epoch=3), [back], ledger)
    assert (first.outcome, parts(first)[JobStage.RUN]) == ("worker died", 20.0)
    assert (parts(second)[JobStage.BROKER], parts(second).get(JobStage.BACKOFF)) == (20.0, None)


def test_the_time_for_which_it_lay_dead_before_a_replay_is_a_pause() -> None:
    events = [PastEvent(at(10), FAILED, "worker", FIRST, "bad"), PastEvent(at(40), REPLAYED, "olga")]
    ledger = {SECOND: LedgerMarks(claimed_at=at(60), due_ago_s=20)}
    first, second = attempts_of(job(batch=SECOND, epoch=3), events, ledger)
    assert (first.is_pruned, second.pause) == (True, PauseReason.REPLAY)
    assert parts(second)[JobStage.BACKOFF] == 30.0


def test_a_job_whose_batch_was_deleted_shows_what_is_left() -> None:
    (only,) = attempts_of(job(batch=FIRST, started_at=at(60)), [], {})
    assert only.is_pruned
    assert parts(only) == {JobStage.OUTBOX: 60.0, JobStage.RUN: 40.0}


SECONDS = st.floats(0, 100)
EVENTS = st.lists(
    st.builds(
        PastEvent,
        SECONDS.map(at),
        st.sampled_from([FAILED, TAKEN_BACK, REPLAYED, "cancel", "view_payload"]),
        st.sampled_from(["worker", SWEEPER]),
        st.sampled_from([None, FIRST, uuid4()]),
        st.just("code"),
        SECONDS,
    ),
    max_size=5,
)
LEDGERS = st.dictionaries(
    st.sampled_from([FIRST, SECOND]),
    st.builds(
        LedgerMarks, claimed_at=SECONDS.map(at), due_ago_s=st.none() | SECONDS, claim_s=st.none() | SECONDS
    ),
)


@given(EVENTS, LEDGERS, st.sampled_from(State), st.sampled_from([None, FIRST, SECOND]), st.booleans())
def test_attempts_and_parts_add_up_to_the_whole_life(
    events: list[PastEvent],
    ledger: dict[UUID, LedgerMarks],
    state: State,
    batch: UUID | None,
    shares: bool,  # noqa: FBT001  # hypothesis passes values by position
) -> None:
    events.sort(key=lambda event: event.at)
    told = attempts_of(job(state, batch=batch, shares=shares, epoch=2), events, ledger)
    every = [part for attempt in told for part in attempt.parts]
    assert (every[0].begin, every[-1].end) == (ZERO, at(100))
    assert all(one.end == other.begin for one, other in pairwise(every))
    assert sum(part.seconds for part in every) == pytest.approx(100.0, abs=0.005)


def test_a_rescue_ends_the_candidate_s_attempt_and_a_take_back_a_wait() -> None:
    ledger = {FIRST: LedgerMarks(claimed_at=at(2), due_ago_s=2, claim_s=0, lane_s=0, ran_s=3)}
    rescued = PastEvent(at(6), RESCUED, "worker", FIRST, "ValueError")
    first, second = attempts_of(job(State.QUEUED, epoch=2, outbox=OutboxMarks(at(6))), [rescued], ledger)
    assert (first.outcome, first.code, first.batch) == ("rescued", "ValueError", FIRST)
    assert (second.pause, second.failed_with) == (PauseReason.RESCUED, "ValueError")
    taken = PastEvent(at(6), REROUTED, "judge")
    first, second = attempts_of(job(State.QUEUED, epoch=2, outbox=OutboxMarks(at(0))), [taken], {})
    assert (first.outcome, parts(first)) == ("rerouted", {JobStage.OUTBOX: 6.0})
    assert second.pause is PauseReason.REROUTED


def test_a_rescue_after_a_death_says_that_the_worker_died() -> None:
    died = PastEvent(at(6), RESCUED, SWEEPER, FIRST, "worker_died")
    first, _ = attempts_of(job(State.QUEUED, epoch=2, outbox=OutboxMarks(at(6))), [died], {})
    assert first.outcome == "worker died"
