"""Results of cascades are shared only as all their steps allow, and void once one step's model is purged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Event as Event_

import pytest
from django.utils import timezone

from jobs.core.retry.policy import TOO_LATE
from jobs.core.states import State
from jobs.db.session import open_session
from jobs.models import Follower, Job, JobResult, Outbox
from jobs.services.lifecycle.overdue import expire
from jobs.services.reuse.follower_settler import FollowerSettler
from jobs.services.reuse.generations import forget_generations, purge_cache
from models_registry.models import ModelVersion
from tests.support.cascades import FAULT, answer, job_of, light_and_heavy, put_cascade, ran, submit


@pytest.fixture
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    assert db
    forget_generations()
    return light_and_heavy(cache_ttl_s=60)


def answered_by_both() -> None:
    job = submit()
    ran(job, answer(0.3))
    assert ran(job, answer(0.1)).state == State.SUCCEEDED


@pytest.mark.parametrize("options", [{"cache_ttl_s": 0}, {"cache_ttl_s": 0, "collapse": True}])
def test_an_answer_of_a_step_that_shares_none_is_not_shared(
    versions: tuple[ModelVersion, ModelVersion], options: dict[str, object]
) -> None:
    ModelVersion.objects.filter(id=versions[1].id).update(options=options)
    put_cascade()
    answered_by_both()
    assert submit().state == State.QUEUED


@pytest.mark.parametrize("purged", [0, 1])
def test_a_purge_of_any_steps_model_voids_the_results(
    versions: tuple[ModelVersion, ModelVersion], purged: int
) -> None:
    put_cascade()
    answered_by_both()
    assert submit().state == State.SUCCEEDED, "it is shared"
    purge_cache(versions[purged].model_id, model=str(versions[purged]), actor="olga")
    assert submit().state == State.QUEUED


def has_too_little_time(job: Job) -> None:
    ran(job, answer(0.3), left_s=-1.0)


def waits_too_long(job: Job) -> None:
    ran(job, answer(0.3))
    Job.objects.filter(deadline__lte=job.deadline).update(deadline=timezone.now() - timedelta(seconds=1))
    with open_session() as session:
        assert [one.id for one in expire(session, [job.id]).fallen] == [job.id]


def has_no_time_for_another_attempt(job: Job) -> None:
    ran(job, answer(0.3))
    ran(job, FAULT, why=f"{TOO_LATE}: 1 s is left")


def fails(job: Job) -> None:
    ran(job, answer(0.3))
    ran(job, FAULT)


def landed(leader: Job) -> None:
    with open_session() as session:
        FollowerSettler(stop=Event_()).step(session, [f"job:{leader.id}"])


@pytest.fixture
def collapsed(versions: tuple[ModelVersion, ModelVersion]) -> None:
    ModelVersion.objects.update(options={"collapse": True})


@pytest.mark.parametrize(
    ("ends", "shared"),
    [
        (has_too_little_time, State.SUCCEEDED),
        (waits_too_long, State.EXPIRED),  # it is late itself
        (has_no_time_for_another_attempt, State.SUCCEEDED),
    ],
)
@pytest.mark.usefixtures("collapsed")
def test_a_follower_with_more_time_than_its_leader_has_the_whole_cascade(
    ends: Callable[[Job], None], shared: State
) -> None:
    put_cascade()
    leader = submit(deadline_s=60)
    alike, longer, endless = submit(deadline_s=30), submit(deadline_s=600), submit()
    assert Follower.objects.count() == 3
    ends(leader)
    assert JobResult.objects.get(job_id=leader.id).degraded
    landed(leader)
    assert job_of(alike.id).state == shared, "it had no more time either"
    for row in JobResult.objects.filter(job_id=alike.id):
        assert (row.source, row.degraded) == (leader.id, True)
    heir = Outbox.objects.get().job_id
    assert heir in {longer.id, endless.id}
    assert list(Follower.objects.values_list("leader", flat=True)) == [heir]
    ran(job_of(heir), answer(0.3))
    ran(job_of(heir), answer(0.9))
    landed(job_of(heir))
    rows = JobResult.objects.filter(job_id__in=[longer.id, endless.id])
    assert [row.degraded for row in rows] == [None, None]


@pytest.mark.usefixtures("collapsed")
def test_a_leader_that_fails_for_another_reason_answers_all() -> None:
    put_cascade()
    leader = submit(deadline_s=60)
    follower = submit()
    fails(leader)
    landed(leader)
    assert JobResult.objects.get(job_id=follower.id).degraded


@pytest.mark.usefixtures("collapsed")
def test_followers_with_more_time_do_not_die_with_a_leader_that_had_too_little() -> None:
    put_cascade(on_failure="fail")
    leader = submit(deadline_s=60)
    alike, longer = submit(deadline_s=30), submit()
    has_too_little_time(leader)
    assert job_of(leader.id).error_code == "cascade_no_time"
    landed(leader)
    assert (job_of(alike.id).state, job_of(longer.id).state) == (State.DEAD, State.QUEUED)
    assert Outbox.objects.get().job_id == longer.id
