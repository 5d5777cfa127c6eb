"""What the first attempts of watched batches say is stored with their verdicts, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.stages import StageTimes
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.db.single_statements import SingleStatements
from jobs.db.statement import Statement
from jobs.models import Event, Job, Tally
from jobs.services.lifecycle.claim import BatchRow, Claimed
from jobs.services.lifecycle.rerouting.watched_answers import settle_answers_watched
from jobs.services.lifecycle.settle import SettledRow, Verdict
from jobs.services.lifecycle.settle_answers import AnsweredBatch
from models_registry.core.routing.decision import Arm
from models_registry.models import Rollout, Rule
from tests.support.factories import make_jobs
from tests.support.locked import locked
from tests.support.routes import (
    ANSWER,
    FAULT,
    LATENCY_S,
    claimed,
    keys_of,
    make_rollout,
    route,
    routed_jobs,
    settled,
    watched_batch,
    watches_of,
)

REFUSAL = Failure(FailureKind.INVALID, "bad", "no")
LOST = Failure(FailureKind.TRANSIENT, "payload_unavailable", "the storage does not respond")
OUT_OF_MEMORY = Failure(FailureKind.RESOURCE, "OutOfMemoryError", "no room")


def only_tally() -> Tally:
    return Tally.objects.get()


def test_a_batch_of_the_candidate_leaves_one_tally(session: sa.Connection) -> None:
    rollout = make_rollout()
    good, bad, refused, lost = jobs = routed_jobs(4, rollout)
    row, running = claimed(session, jobs, rollout.candidate)
    outcomes: dict[UUID, Outcome] = {good.id: ANSWER, bad.id: FAULT, refused.id: REFUSAL, lost.id: LOST}
    settled(session, row, running, outcomes)
    tally = only_tally()
    assert (tally.rollout, tally.arm, tally.broken, tally.deaths) == (rollout.id, Arm.CANDIDATE, False, 0)
    assert sorted(tally.keys) == keys_of([good, bad, refused])
    assert (tally.failed, tally.refused) == (keys_of([bad]), keys_of([refused]))
    assert tally.latency_s == LATENCY_S


def test_a_batch_of_the_stable_version_leaves_one_an_arm(session: sa.Connection) -> None:
    rollout = make_rollout()
    counted, baseline = (routed_jobs(2, rollout, arm) for arm in (Arm.STABLE, Arm.BASELINE))
    others = [*routed_jobs(1, rollout, Arm.STABLE, counted=False), *make_jobs(1, version=rollout.stable)]
    others += routed_jobs(1, rollout, Arm.FALLBACK)
    row, running = claimed(session, [*counted, *baseline, *others], rollout.stable)
    settled(session, row, running, ANSWER)
    tallies = {tally.arm: sorted(tally.keys) for tally in Tally.objects.all()}
    assert tallies == {Arm.STABLE: keys_of(counted), Arm.BASELINE: keys_of(baseline)}


@pytest.mark.parametrize(
    ("failure", "unprepared"),
    [(OUT_OF_MEMORY, False), (FAULT, True), (Failure(FailureKind.TIMEOUT, "slow", ""), False)],
    ids=["out of memory", "not loaded", "timeout"],
)
def test_a_batch_that_failed_as_a_whole_is_one_failure_and_its_jobs_are_rescued(
    session: sa.Connection, failure: Failure, *, unprepared: bool
) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(3, rollout)
    row, running = claimed(session, jobs, rollout.candidate)
    settled(session, row, running, failure, unprepared=unprepared)
    tally = only_tally()
    assert (tally.broken, tally.keys, tally.failed) == (True, [], [])
    assert set(Job.objects.values_list("state", "version")) == {(State.QUEUED, rollout.stable_id)}


def test_a_model_that_fails_each_job_by_itself_failed_each_key(session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(3, rollout)
    row, running = claimed(session, jobs, rollout.candidate)
    settled(session, row, running, FAULT)
    assert (only_tally().broken, sorted(only_tally().failed)) == (False, keys_of(jobs))


def test_a_rescued_job_says_nothing_of_the_stable_version(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    again, running = claimed(session, [job], rollout.stable)
    settled(session, again, running, ANSWER)
    assert only_tally().failed == keys_of([job])


@pytest.mark.parametrize(
    ("epoch", "event", "counts"),
    [(0, "", True), (2, "taken_back", True), (1, "replay", False)],
    ids=["new", "given back by a worker", "replayed"],
)
def test_only_a_job_s_first_attempt_counts(
    session: sa.Connection, epoch: int, event: str, *, counts: bool
) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout, Arm.STABLE, epoch=epoch)
    if event:
        Event.objects.create(job=job, kind=event, epoch=epoch)
    row, running = claimed(session, [job], rollout.stable)
    settled(session, row, running, ANSWER)
    assert Tally.objects.exists() is counts


def test_a_later_attempt_does_not_count(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout, Arm.STABLE, state=State.WAITING, attempts=1, epoch=1)
    row, running = claimed(session, [job], rollout.stable)
    settled(session, row, running, ANSWER)
    assert not Tally.objects.exists()


def test_a_verdict_that_came_too_late_does_not_count(session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout)
    row, running = claimed(session, jobs, rollout.candidate)
    Job.objects.filter(id=jobs[0].id).update(state=State.CANCELLED, epoch=2, finished_at=timezone.now())
    settled(session, row, running, ANSWER)
    settled(session, row, running, ANSWER)  # again: the batch is closed
    assert only_tally().keys == keys_of(jobs[1:])


def test_a_roll_out_that_has_ended_counts_nothing(session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(1, rollout)
    row, running = claimed(session, jobs, rollout.candidate)
    watches = watches_of(session, row.version)
    Rollout.objects.update(state="rolled_back", ended_at=timezone.now())
    assert watches
    settled(session, row, running, ANSWER)
    assert not Tally.objects.exists()


def made_rule(number: int) -> int:
    """Return the id of a rule that is put in force now."""
    return Rule.objects.create(
        model="echo", alias="default", number=number, document={}, sha256="0" * 64, actor="tests"
    ).pk


@pytest.mark.parametrize(
    ("before_step", "in_force", "counts"),
    [(False, False, True), (True, False, False), (True, True, True)],
    ids=["of this step", "of an earlier step", "of an earlier step, still in force"],
)
def test_a_job_that_a_step_overtook_is_no_evidence(
    session: sa.Connection, *, before_step: bool, in_force: bool, counts: bool
) -> None:
    rule, later = made_rule(1), made_rule(2)
    step_since = timezone.now() + timedelta(minutes=1 if before_step else -1)
    rollout = make_rollout(step_since=step_since, rule=rule if in_force else later)
    jobs = make_jobs(2, version=rollout.candidate)
    route(jobs, rollout, rule=rule)
    row, running = claimed(session, jobs, rollout.candidate)
    settled(session, row, running, ANSWER)
    assert Tally.objects.exists() is counts


def answered(row: BatchRow, running: Sequence[Claimed]) -> AnsweredBatch:
    verdicts = [Verdict(job.job, job.epoch, Success(b"1")) for job in running]
    return AnsweredBatch(row.id, StageTimes(ran_s=0.5), verdicts)


def stored_together(session: sa.Connection, *batches: tuple[BatchRow, list[Claimed]]) -> dict[UUID, State]:
    rows = [answered(row, running) for row, running in batches]
    watched = [
        watched_batch(row, running, plain.verdicts, watches_of(session, row.version))
        for (row, running), plain in zip(batches, rows, strict=True)
    ]
    statements = SingleStatements(engine())
    with statements.session() as connection:
        states = settle_answers_watched(connection, rows, watched)
    statements.close()
    return states


def test_answers_that_are_stored_together_leave_a_tally_a_batch(session: sa.Connection) -> None:
    rollout = make_rollout()
    ours, theirs = routed_jobs(2, rollout), routed_jobs(2, rollout, Arm.STABLE)
    plain = make_jobs(1)
    batches = (
        claimed(session, ours, rollout.candidate),
        claimed(session, [*theirs, *plain], rollout.stable),
    )
    states = stored_together(session, *batches)
    assert set(states.values()) == {State.SUCCEEDED}
    assert len(states) == 5
    tallies = {tally.arm: sorted(tally.keys) for tally in Tally.objects.all()}
    assert tallies == {Arm.CANDIDATE: keys_of(ours), Arm.STABLE: keys_of(theirs)}
    assert not any(tally.failed for tally in Tally.objects.all())


def test_answers_that_cannot_all_be_stored_count_nothing(db: str, session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout)
    batch = claimed(session, jobs, rollout.candidate)
    with locked(db, "jobs_job WHERE id = %s", jobs[0].id):
        assert stored_together(session, batch) == {}
    assert not Tally.objects.exists()
    stored_together(session, batch)
    assert stored_together(session, batch) == {}, "nothing is stored twice"
    assert sorted(only_tally().keys) == keys_of(jobs)


def test_answers_of_unwatched_versions_run_the_statement_without_tallies(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = claimed(session, make_jobs(2), make_rollout().stable)
    Rollout.objects.all().delete()
    texts = list[str]()

    def run(_session: object, statement: Statement[SettledRow], _parameters: object) -> list[SettledRow]:
        texts.append(statement.sql)
        return []

    for module in ("settle_answers", "rerouting.watched_answers"):
        monkeypatch.setattr(f"jobs.services.lifecycle.{module}.run", run)
    stored_together(session, batch)
    (text,) = texts
    assert "jobs_tally" not in text
    assert "jobs_route" not in text
