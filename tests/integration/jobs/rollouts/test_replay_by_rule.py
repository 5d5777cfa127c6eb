"""A replay follows the rule in force: it decides for routed jobs, and those that named a version keep it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.core.acting.job_selection import JobSelection
from jobs.core.states import State
from jobs.models import CacheEntry, DeadLetter, Event, Job, JobInput, Outbox, Route
from jobs.services.bulk_acts.operate_many import start_bulk_act
from jobs.services.bulk_acts.slices import take_slices
from jobs.services.dead_letters.canary import start_replay
from jobs.services.dead_letters.reads import DeadLetterFilter
from jobs.services.dead_letters.replay_many import now, replay_dead_letters
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.replay import replay_job
from jobs.services.rollouts import acts
from jobs.services.rollouts.redrive import redrive
from models_registry import selectors
from models_registry.core.registry_errors import (
    RolloutNotFoundError,
    RolloutStateError,
    VersionStateError,
)
from models_registry.models import ModelVersion
from models_registry.services.rules import put_rule
from tests.support.factories import make_jobs, make_version
from tests.support.rollout_rows import Judged, versions_of
from tests.support.submit import submit_to


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


@pytest.fixture
def judged() -> Judged:
    made = Judged()
    made.running()
    return made


def version_of(job: Job) -> str:
    return Job.objects.select_related("version").get(pk=job.pk).version.version


def test_a_routed_job_goes_to_the_stable_version_once_the_candidate_was_rolled_back(judged: Judged) -> None:
    (job,) = judged.jobs(1, state=State.DEAD)
    acts.roll_back(judged.id, actor="olga")
    replay_job(job_id=job.pk, actor="paula")
    assert version_of(job) == "1"
    row = Outbox.objects.get(job=job)
    assert (row.version_id, row.epoch) == (judged.stable.pk, 1)
    event = Event.objects.get(job_id=job.pk, kind="replay")
    assert (event.detail["from"], event.detail["to"]) == ("echo:2", "echo:1")


def test_a_job_that_named_its_version_keeps_it_also_where_that_is_blocked(judged: Judged) -> None:
    (job,) = make_jobs(1, version=judged.candidate, state=State.DEAD)
    acts.roll_back(judged.id, actor="olga")
    replay_job(job_id=job.pk, actor="paula")
    assert version_of(job) == "2"
    assert "to" not in Event.objects.get(job_id=job.pk, kind="replay").detail


def test_the_same_version_can_be_had_unless_it_is_blocked(judged: Judged) -> None:
    first, second = judged.jobs(2, state=State.DEAD)
    acts.cancel(judged.id, actor="olga")
    replay_job(job_id=first.pk, actor="paula", same_version=True)
    assert version_of(first) == "2"
    ModelVersion.objects.filter(version="2").update(state="blocked")
    with pytest.raises(VersionStateError, match="blocked"):
        replay_job(job_id=second.pk, actor="paula", same_version=True)
    assert Job.objects.get(pk=second.pk).state == State.DEAD
    replay_job(job_id=second.pk, actor="paula")
    assert version_of(second) == "1"


def test_under_a_rule_with_a_share_its_key_decides_as_at_its_admission(judged: Judged) -> None:
    jobs = judged.jobs(30, state=State.DEAD)
    acts.cancel(judged.id, actor="olga")
    document: dict[str, Any] = {"stable": "1", "candidate": "2", "share": 0.5, "salt": "s"}
    put_rule(model="echo", alias="default", document=document, actor="olga")
    for job in jobs:
        replay_job(job_id=job.pk, actor="paula")
    kept = {job.pk: version_of(job) for job in jobs}
    assert set(kept.values()) == {"1", "2"}
    Job.objects.update(state=State.DEAD, finished_at=now())
    for job in jobs:
        replay_job(job_id=job.pk, actor="paula")
    assert {job.pk: version_of(job) for job in jobs} == kept


def test_a_job_that_a_submit_routed_gets_the_same_version_again_while_the_rule_stays() -> None:
    make_version("echo", "1")
    make_version("echo", "2")
    document: dict[str, Any] = {"stable": "1", "candidate": "2", "share": 0.5, "salt": "s"}
    put_rule(model="echo", alias="default", document=document, actor="olga")
    ids = [submit_to("echo", number).id for number in range(20)]
    routed = dict(Job.objects.filter(pk__in=ids).values_list("pk", "version__version"))
    assert set(routed.values()) == {"1", "2"}
    for job in ids:
        cancel_job(job_id=job, actor="olga")
        replay_job(job_id=job, actor="paula")
    assert dict(Job.objects.filter(pk__in=ids).values_list("pk", "version__version")) == routed
    put_rule(model="echo", alias="default", document={"stable": "1"}, actor="olga")
    for job in ids:
        cancel_job(job_id=job, actor="olga")
        replay_job(job_id=job, actor="paula")
    assert set(Job.objects.filter(pk__in=ids).values_list("version__version", flat=True)) == {"1"}


def test_a_cohort_sees_the_metadata_that_is_stored(judged: Judged) -> None:
    ours, theirs = judged.jobs(2, state=State.DEAD, version=judged.stable)
    JobInput.objects.filter(job=ours).update(metadata=b'{"team":"search"}')
    acts.cancel(judged.id, actor="olga")
    when = {
        "properties": {"metadata": {"properties": {"team": {"const": "search"}}, "required": ["team"]}},
        "required": ["metadata"],
    }
    document = {"stable": "1", "candidate": "2", "cohorts": [{"when": when, "arm": "candidate"}]}
    put_rule(model="echo", alias="default", document=document, actor="olga")
    for job in (ours, theirs):
        replay_job(job_id=job.pk, actor="paula")
    assert (version_of(ours), version_of(theirs)) == ("2", "1")


def test_a_version_that_takes_other_inputs_is_not_given_a_stored_one(judged: Judged) -> None:
    (job,) = judged.jobs(1, state=State.DEAD)
    acts.cancel(judged.id, actor="olga")
    make_version("echo", "3", input_schema={"type": "string"})
    put_rule(model="echo", alias="default", document={"stable": "3"}, actor="olga")
    replay_job(job_id=job.pk, actor="paula")
    assert version_of(job) == "2"


def test_a_cached_answer_of_the_old_version_is_not_named_by_the_job_any_more(judged: Judged) -> None:
    (job,) = judged.jobs(1, state=State.DEAD)
    CacheEntry.objects.create(
        key=b"k" * 32, job_id=job.pk, version_id=judged.candidate.pk, ttl_s=60, expires_at=now()
    )
    acts.roll_back(judged.id, actor="olga")
    replay_job(job_id=job.pk, actor="paula")
    assert not CacheEntry.objects.exists()


def by_filter(jobs: list[Job]) -> None:
    assert replay_dead_letters(selection=DeadLetterFilter(), actor="paula", most=100) == len(jobs)


def by_bulk_act(jobs: list[Job]) -> None:
    start_bulk_act(
        verb=BulkVerb.REPLAY, selection=JobSelection(model="echo"), rate_per_s=10_000.0, total=len(jobs),
        actor="paula",
    )  # fmt: skip
    take_slices()


@pytest.mark.parametrize("replay", [by_filter, by_bulk_act])
def test_replays_of_many_follow_the_rule_too(judged: Judged, replay: Any) -> None:
    jobs = judged.jobs(3, state=State.DEAD)
    acts.roll_back(judged.id, actor="olga")
    replay(jobs)
    assert versions_of(jobs) == {judged.stable.pk}
    assert set(Job.objects.values_list("state", flat=True)) == {"queued"}


def test_the_first_job_of_a_replay_of_look_alikes_follows_the_rule_too(judged: Judged) -> None:
    jobs = judged.jobs(3, state=State.DEAD)
    acts.roll_back(judged.id, actor="olga")
    start_replay(selection=DeadLetterFilter(), actor="paula", most=10)
    (first,) = Job.objects.filter(pk__in=[job.pk for job in jobs], state="queued")
    assert first.version_id == judged.stable.pk


def test_a_redrive_counts_first_and_then_replays_what_the_candidate_buried(judged: Judged) -> None:
    buried = judged.jobs(3, state=State.DEAD)
    elsewhere = judged.jobs(2, state=State.DEAD, version=judged.stable)
    pinned = make_jobs(2, version=judged.candidate, state=State.DEAD)
    discarded = judged.jobs(1, state=State.DEAD)
    DeadLetter.objects.filter(job__in=discarded).update(discarded_at=now())
    with pytest.raises(RolloutStateError, match="running"):
        redrive(judged.id, actor="paula")
    acts.roll_back(judged.id, actor="olga")
    assert redrive(judged.id, actor="paula") == (3, 0)
    assert not Job.objects.filter(state="queued").exists()
    assert redrive(judged.id, actor="paula", reason="mended", dry_run=False) == (3, 3)
    assert versions_of(buried) == {judged.stable.pk}
    still = Job.objects.filter(state=State.DEAD).values_list("pk", flat=True)
    assert set(still) == {job.pk for job in (*elsewhere, *pinned, *discarded)}
    event = Event.objects.get(kind="rollout", detail__act="redrive")
    assert (event.actor, event.detail["replayed"], event.detail["reason"]) == ("paula", 3, "mended")
    assert redrive(judged.id, actor="paula", dry_run=False) == (0, 0)


def test_there_is_nothing_to_redrive_of_no_roll_out() -> None:
    with pytest.raises(RolloutNotFoundError):
        redrive(7, actor="paula")


def test_a_route_without_a_key_keeps_the_version(judged: Judged) -> None:
    (job,) = judged.jobs(1, state=State.DEAD)
    Route.objects.update(key=None, rule=None, arm="fallback")
    acts.cancel(judged.id, actor="olga")
    replay_job(job_id=job.pk, actor="paula")
    assert version_of(job) == "2"
