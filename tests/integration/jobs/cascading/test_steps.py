"""Jobs of cascades go from step to step, and each gets one result."""

from __future__ import annotations

from datetime import timedelta
from threading import Event as Event_

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs.core.states import State
from jobs.db.session import open_session
from jobs.models import Batch, DeadLetter, Event, Job, JobResult, JobStep, Outbox, Route
from jobs.services.lifecycle.overdue import expire
from jobs.services.lifecycle.reap import reap
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.job_timeline import read_timeline
from jobs.services.reads.job_views import job_view
from jobs.services.reads.lineage import lineage
from jobs.services.reuse.follower_settler import FollowerSettler
from models_registry import flag_reads
from models_registry.models import Flag, ModelVersion
from models_registry.services.rules import put_rule
from tests.support.cascades import (
    FAULT,
    answer,
    cascade,
    claimed,
    job_of,
    light_and_heavy,
    put_cascade,
    ran,
    settled,
    steps_of,
    submit,
)
from tests.support.factories import make_version
from tests.support.flags import flag
from tests.support.submit import submit_to


@pytest.fixture(autouse=True)
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    assert db
    return light_and_heavy()


def result_of(job: Job) -> tuple[bytes, bool | None, int]:
    row = JobResult.objects.get(job_id=job.id)
    return bytes(row.body), row.degraded, row.epoch


def test_an_answer_that_is_sure_is_the_result() -> None:
    rule = put_cascade()
    job = submit()
    route = Route.objects.get(job=job)
    assert (route.arm, route.rule, str(job.version)) == ("cascade", rule.pk, "light:1")
    done = ran(job, answer(0.9))
    assert (done.state, str(done.version)) == (State.SUCCEEDED, "light:1")
    assert result_of(job) == (answer(0.9).body, None, 1)
    assert steps_of(job) == [(1, "light:1", "enough", 0.9, "")]


def test_one_that_is_not_goes_to_the_next_version_of_another_model() -> None:
    put_cascade()
    job = submit()
    second = ran(job, answer(0.3))
    assert (second.state, str(second.version), second.model) == (State.QUEUED, "heavy:1", "heavy")
    assert (second.epoch, second.attempts) == (2, 0), "the attempt is not charged"
    out = Outbox.objects.get(job_id=job.id)
    assert (out.model, out.version_id, out.epoch) == ("heavy", second.version_id, 2)
    assert not JobResult.objects.exists()
    event = Event.objects.get(job_id=job.id, kind="escalate")
    assert "confidence" not in event.detail, "an event is never erased"
    assert (event.detail["from"], event.detail["to"]) == (job.version_id, second.version_id)
    done = ran(job, answer(0.2, label=7))
    assert (done.state, str(done.version)) == (State.SUCCEEDED, "heavy:1")
    assert result_of(job) == (answer(0.2, label=7).body, None, 3)
    assert steps_of(job) == [(1, "light:1", "below", 0.3, ""), (2, "heavy:1", "enough", None, "")]
    first = JobStep.objects.get(job_id=job.id, number=1)
    assert bytes(first.body or b"") == answer(0.3).body
    assert first.expires_at is not None
    batches = Batch.objects.order_by("claimed_at").values_list("succeeded", "failed", "fenced")
    assert all(row.finished_at is not None for row in Batch.objects.all()), batches


@pytest.mark.parametrize("confidence", ["high", None, True, [0.9]])
def test_an_answer_without_a_confidence_goes_on(confidence: object) -> None:
    put_cascade()
    job = submit()
    assert str(ran(job, answer(confidence)).version) == "heavy:1"
    assert steps_of(job) == [(1, "light:1", "no_confidence", None, "")]


def test_jobs_beside_those_of_a_cascade_share_their_batch() -> None:
    put_cascade()
    job, other = submit(), job_of(submit_to("light:1", {"text": "b"}).id)
    settled(claimed(job_of(job.id), other), answer(0.1))
    assert job_of(other.id).state == State.SUCCEEDED
    assert job_of(job.id).state == State.QUEUED
    assert steps_of(other) == []


def test_a_second_step_that_fails_leaves_the_first_answer_marked_so() -> None:
    put_cascade()
    job = submit()
    ran(job, answer(0.3, label=4))
    again = ran(job, FAULT, again=True)
    assert again.state == State.WAITING
    done = ran(job, FAULT)
    assert (done.state, str(done.version), done.model) == (State.SUCCEEDED, "light:1", "light")
    body, degraded, epoch = result_of(job)
    assert (body, degraded) == (answer(0.3, label=4).body, True)
    assert epoch == done.epoch
    assert not DeadLetter.objects.exists()
    kinds = list(Event.objects.filter(job_id=job.id).order_by("id").values_list("kind", flat=True))
    assert kinds[1:] == ["escalate", "failed", "failed", "degrade"]
    assert [why for _, _, why, *_ in steps_of(job)] == ["below", "failed"]
    assert done.batch_id is not None
    first = Batch.objects.get(id=done.batch_id)
    assert (first.succeeded, first.failed, first.released) == (1, 0, 0), "its answer is the result"
    assert list(Batch.objects.exclude(id=first.id).values_list("succeeded", "failed")) == [(0, 1), (0, 1)]
    assert done.batch_id == JobStep.objects.get(job_id=job.id, number=1).batch_id


def test_or_the_job_fails_where_its_cascade_says_so() -> None:
    put_cascade(on_failure="fail")
    job = submit()
    ran(job, answer(0.3))
    done = ran(job, FAULT)
    assert (done.state, str(done.version)) == (State.DEAD, "heavy:1")
    assert DeadLetter.objects.get().code == "boom"
    assert not JobResult.objects.exists()


def test_a_job_whose_deadline_passes_while_it_waits_has_its_first_answer() -> None:
    put_cascade()
    job, other = submit("a", deadline_s=60), submit("b", deadline_s=60)
    ran(job, answer(0.3))
    Job.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    with open_session() as session:
        ended = expire(session, [job.id, other.id])
    assert ([one.id for one in ended.expired], [one.id for one in ended.fallen]) == ([other.id], [job.id])
    assert (job_of(job.id).state, job_of(other.id).state) == (State.SUCCEEDED, State.EXPIRED)
    assert result_of(job)[:2] == (answer(0.3).body, True)
    assert not Outbox.objects.exists()
    assert steps_of(job)[-1][2] == "expired"


def test_an_answer_that_comes_after_the_deadline_leaves_the_first_one() -> None:
    put_cascade()
    job = submit(deadline_s=60)
    ran(job, answer(0.3))
    batch = claimed(job_of(job.id))
    Job.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    settled(batch, answer(0.99, label=9))
    assert result_of(job)[:2] == (answer(0.3).body, True)


def test_a_first_answer_after_the_deadline_expires_the_job() -> None:
    put_cascade()
    job = submit(deadline_s=60)
    batch = claimed(job_of(job.id))
    Job.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    settled(batch, answer(0.3))
    assert job_of(job.id).state == State.EXPIRED
    assert not JobResult.objects.exists()


def test_too_little_time_for_the_second_step_is_seen_before_it(versions: tuple[ModelVersion, ...]) -> None:
    put_cascade()
    _, heavy = versions
    before = submit("before")
    ran(before, answer(0.1))
    ran(before, answer(0.1))
    Batch.objects.filter(version=heavy).update(ran_s=5.0)
    job, enough = submit("a", deadline_s=60), submit("b", deadline_s=60)
    assert ran(job, answer(0.3), left_s=4.0).state == State.SUCCEEDED
    assert result_of(job)[:2] == (answer(0.3).body, True)
    assert steps_of(job) == [(1, "light:1", "below", 0.3, "no_time")]
    assert ran(enough, answer(0.3), left_s=30.0).state == State.QUEUED


def test_an_open_circuit_of_the_second_step_leaves_the_first_answer(
    versions: tuple[ModelVersion, ...],
) -> None:
    put_cascade()
    job = submit()
    assert ran(job, answer(0.3), open_circuits=[versions[1].id]).state == State.SUCCEEDED
    assert result_of(job)[1] is True
    put_cascade(on_failure="fail")
    other = submit("b")
    assert ran(other, answer(0.3), open_circuits=[versions[1].id]).state == State.DEAD
    letter = DeadLetter.objects.get()
    assert (letter.code, letter.kind) == ("cascade_circuit", "refused")
    assert "circuit" in letter.reason


@pytest.mark.parametrize("on_failure", ["degraded", "fail"])
def test_while_escalation_is_switched_off_the_first_answer_is_given(on_failure: str) -> None:
    put_cascade(on_failure=on_failure)
    waits = submit()
    flag("escalate", on=False)
    flag_reads.forget_flags()
    assert ran(waits, answer(0.3)).state == State.SUCCEEDED
    assert result_of(waits)[1] is True
    assert steps_of(waits) == [(1, "light:1", "below", 0.3, "switched_off")]
    Flag.objects.all().delete()
    flag_reads.forget_flags()
    assert ran(submit("b"), answer(0.3)).state == State.QUEUED


def test_a_flag_lets_some_clients_escalate() -> None:
    put_cascade()
    flag("escalate", when={"properties": {"client": {"const": "another"}}})
    flag_reads.forget_flags()
    assert ran(submit(), answer(0.3)).state == State.SUCCEEDED
    Flag.objects.all().delete()
    flag("escalate", when={"properties": {"priority": {"minimum": 0}}, "required": ["client", "priority"]})
    flag_reads.forget_flags()
    assert ran(submit("b"), answer(0.3)).state == State.QUEUED


def test_jobs_escalate_where_flags_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise OperationalError

    put_cascade()
    job = submit()
    monkeypatch.setattr("models_registry.flag_reads.flags", gone)
    assert ran(job, answer(0.3)).state == State.QUEUED


def test_a_second_step_that_was_blocked_meanwhile_leaves_the_first_answer() -> None:
    put_cascade()
    job = submit()
    batch = claimed(job_of(job.id))
    put_rule(model="light", alias="default", document={"stable": "1"}, actor="olga")
    ModelVersion.objects.filter(model__name="heavy").update(state="blocked")
    settled(batch, answer(0.3))
    assert job_of(job.id).state == State.SUCCEEDED
    assert steps_of(job) == [(1, "light:1", "below", 0.3, "not_staged")]


def test_a_job_that_ends_its_worker_in_the_second_step_has_its_first_answer() -> None:
    put_cascade()
    job = submit(max_attempts=1)
    ran(job, answer(0.3))
    batch = claimed(job_of(job.id)).id
    Batch.objects.filter(id=batch).update(isolation_group=5)
    worker = Batch.objects.get(id=batch).worker
    worker.ended_at = timezone.now()
    worker.save()
    with open_session() as session:
        reaped = reap(session, batch)
    assert (reaped.dead, [one.id for one in reaped.fallen]) == ((), [job.id])
    assert job_of(job.id).state == State.SUCCEEDED
    assert result_of(job)[:2] == (answer(0.3).body, True)
    events = Event.objects.filter(job_id=job.id, kind__in=["failed", "degrade"]).order_by("id")
    assert [(event.kind, event.epoch) for event in events] == [("failed", 3), ("degrade", 3)]


def test_attempts_that_failed_stay_charged_where_the_job_goes_on() -> None:
    put_cascade()
    job = submit(max_attempts=2)
    ran(job, FAULT, again=True)
    assert ran(job, answer(0.3)).attempts == 1
    assert ran(job, FAULT, again=True).attempts == 2, "the last one"


def test_a_worker_that_dies_between_two_steps_costs_a_run_and_no_step() -> None:
    put_cascade()
    job = submit()
    batch = claimed(job_of(job.id))
    row = Batch.objects.get(id=batch.id)
    row.worker.ended_at = timezone.now()
    row.worker.save()
    with open_session() as session:
        reap(session, batch.id)
    settled(batch, answer(0.1))
    assert steps_of(job) == [], "a verdict that comes too late changes nothing"
    assert job_of(job.id).state == State.QUEUED
    Outbox.objects.update(isolation_group=0)
    assert ran(job, answer(0.1)).model == "heavy"
    assert ran(job, answer(0.1)).state == State.SUCCEEDED
    assert [number for number, *_ in steps_of(job)] == [1, 2]


def test_a_replay_begins_at_the_first_step_of_the_rule_in_force() -> None:
    put_cascade(on_failure="fail")
    job = submit()
    ran(job, answer(0.3))
    assert ran(job, FAULT).state == State.DEAD
    rule = put_cascade(escalate={"pointer": "/confidence", "below": 0.2})
    replay_job(job_id=job.id, actor="olga")
    again = job_of(job.id)
    assert (again.state, str(again.version), again.model) == (State.QUEUED, "light:1", "light")
    assert Outbox.objects.get(job_id=job.id).model == "light"
    assert ran(job, answer(0.3)).state == State.SUCCEEDED, "by the threshold of the new rule"
    assert [(number, why) for number, _, why, *_ in steps_of_all(job)] == [
        (1, "below"), (2, "failed"), (0, "replayed"), (1, "enough"),
    ]  # fmt: skip
    assert JobStep.objects.filter(job_id=job.id).latest("epoch").rule == rule.pk


def steps_of_all(job: Job) -> list[tuple[int, str, str, float | None, str]]:
    rows = JobStep.objects.filter(job_id=job.id).order_by("epoch")
    return [(row.number, "", row.why, row.confidence, row.hindrance) for row in rows]


def test_a_replay_of_the_same_version_goes_on_where_it_was() -> None:
    put_cascade(on_failure="fail")
    job = submit()
    ran(job, answer(0.3))
    ran(job, FAULT)
    replay_job(job_id=job.id, actor="olga", same_version=True)
    assert str(job_of(job.id).version) == "heavy:1"
    assert ran(job, answer(0.1)).state == State.SUCCEEDED


def test_a_replay_without_a_cascade_in_force_is_answered_by_the_stable_version() -> None:
    put_cascade(on_failure="fail")
    job = submit()
    ran(job, answer(0.3))
    ran(job, FAULT)
    make_version("light", "2")
    put_rule(model="light", alias="default", document={"stable": "2"}, actor="olga")
    replay_job(job_id=job.id, actor="olga")
    assert str(job_of(job.id).version) == "light:2"
    assert ran(job, answer(0.1)).state == State.SUCCEEDED, "no threshold decides any more"


def test_a_replay_takes_a_job_into_a_cascade_that_it_had_not() -> None:
    make_version("light", "2")
    put_rule(
        model="light", alias="default", actor="olga",
        document={"stable": "1", "candidate": "2", "share": 1.0},
    )  # fmt: skip
    job = submit()
    assert str(job.version) == "light:2"
    assert ran(job, FAULT).state == State.DEAD
    put_cascade()
    replay_job(job_id=job.id, actor="olga")
    assert str(job_of(job.id).version) == "light:1"
    assert str(ran(job, answer(0.3)).version) == "heavy:1"


def test_a_cascade_within_a_cascade_has_its_own_threshold() -> None:
    make_version("heavy", "2")
    make_version("heavy", "3")
    inner = {"stable": "2", "cascade": cascade("heavy:2", "heavy:3", escalate=at(0.5))}
    put_rule(model="heavy", alias="default", document=inner, actor="olga")
    rule = put_cascade("light:1", "heavy", escalate=at(0.9))
    assert [step["version"] for step in rule.steps or ()] == ["light:1", "heavy:2", "heavy:3"]
    job = submit()
    assert str(ran(job, answer(0.8)).version) == "heavy:2"
    assert str(ran(job, answer(0.4)).version) == "heavy:3"
    assert ran(job, answer(0.1)).state == State.SUCCEEDED
    assert [(number, why) for number, _, why, *_ in steps_of(job)] == [
        (1, "below"),
        (2, "below"),
        (3, "enough"),
    ]


def at(below: float) -> dict[str, object]:
    return {"pointer": "/confidence", "below": below}


def test_jobs_of_a_cascade_share_a_result_by_their_rule() -> None:
    ModelVersion.objects.update(options={"cache_ttl_s": 60})
    put_cascade()
    job = submit()
    ran(job, answer(0.3))
    ran(job, answer(0.1, label=7))
    hit = submit()
    assert hit.state == State.SUCCEEDED
    assert JobResult.objects.get(job_id=hit.id).source == job.id
    assert job_of(submit_to("light:1", {"text": "a"}).id).state == State.QUEUED, "its key is of the version"
    put_cascade(escalate=at(0.2))
    assert submit().state == State.QUEUED, "another rule may answer otherwise"


def test_a_degraded_answer_is_not_in_the_cache(versions: tuple[ModelVersion, ...]) -> None:
    ModelVersion.objects.update(options={"cache_ttl_s": 60})
    put_cascade()
    ran(submit(), answer(0.3), open_circuits=[versions[1].id])
    fallen = submit()
    assert fallen.state == State.QUEUED
    ran(fallen, answer(0.3))
    ran(fallen, FAULT)
    assert job_of(fallen.id).state == State.SUCCEEDED
    assert submit().state == State.QUEUED


def test_followers_get_what_their_leader_gets() -> None:
    ModelVersion.objects.update(options={"collapse": True})
    put_cascade()
    leader, follower = submit(), submit()
    assert not Outbox.objects.filter(job_id=follower.id).exists()
    ran(leader, answer(0.3))
    ran(leader, FAULT)
    with open_session() as session:
        FollowerSettler(stop=Event_()).step(session, [f"job:{leader.id}"])
    assert job_of(follower.id).state == State.SUCCEEDED
    row = JobResult.objects.get(job_id=follower.id)
    assert (row.source, row.degraded) == (leader.id, True)


def test_the_job_and_its_lineage_show_the_steps() -> None:
    put_cascade()
    job = submit()
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert (view["step"], "degraded" in view) == (1, False)
    ran(job, answer(0.3))
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert (view["step"], view["model"]) == (2, "heavy")
    ran(job, FAULT)
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert (view["step"], view["degraded"], view["version"], view["model"]) == (2, True, "1", "light")
    told = lineage(job.id, client_id=None)
    assert told is not None
    assert [(step["number"], step["version"], step["why"]) for step in told["steps"]] == [
        (1, "light:1", "below"), (2, "heavy:1", "failed"),
    ]  # fmt: skip
    assert told["route"]["sentence"] == (
        "Asked light, routed to light:1 as cascade by rule 1, sent on to heavy:1,"
        " answered by light:1 after all."
    )
    timeline = read_timeline(job.id)
    assert timeline is not None
    assert [attempt.outcome for attempt in timeline.attempts] == ["escalated", "failed"]
    other = job_view(submit_to("heavy:1", {"text": "b"}).id, client_id=None)
    assert other is not None
    assert "step" not in other
