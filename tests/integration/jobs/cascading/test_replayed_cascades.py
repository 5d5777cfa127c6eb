"""Jobs that a replay takes into a cascade: the cache, their client's models, and the rule's report."""

from __future__ import annotations

import pytest

from jobs.core.states import State
from jobs.models import Client, JobStep
from jobs.services.lifecycle.replay import replay_job
from jobs.services.rollouts.cascades.seen_jobs import seen_jobs
from models_registry.models import ModelVersion
from models_registry.services.rules import put_rule
from tests.support.cascades import FAULT, answer, job_of, light_and_heavy, put_cascade, ran, submit
from tests.support.factories import make_version
from tests.support.submit import submit_to


@pytest.fixture(autouse=True)
def _versions(db: str) -> None:
    assert db
    light_and_heavy()


def put_candidate() -> None:
    """Route all jobs of `light@default` to the version 1 as a candidate."""
    make_version("light", "2")
    put_rule(
        model="light", alias="default", actor="olga",
        document={"stable": "2", "candidate": "1", "share": 1.0},
    )  # fmt: skip


def test_one_that_a_replay_takes_into_a_cascade_answers_no_request_for_its_version() -> None:
    ModelVersion.objects.update(options={"cache_ttl_s": 600})
    put_candidate()
    job = submit()
    assert str(job.version) == "light:1"
    assert ran(job, FAULT).state == State.DEAD
    put_cascade()
    replay_job(job_id=job.id, actor="olga")
    ran(job, answer(0.3))
    assert str(ran(job, answer(0.1, label=7)).version) == "heavy:1"
    pinned = job_of(submit_to("light:1", {"text": "a"}).id)
    assert pinned.state == State.QUEUED, "the answer is another version's"


def test_a_replay_reaches_no_model_that_the_client_may_not_use() -> None:
    put_candidate()
    job = submit()
    assert ran(job, FAULT).state == State.DEAD
    put_cascade()
    Client.objects.update(models=["light"])
    replay_job(job_id=job.id, actor="olga")
    assert not JobStep.objects.exists()
    assert ran(job, answer(0.3)).state == State.SUCCEEDED
    assert str(job_of(job.id).version) == "light:1"


def test_the_report_of_a_rule_has_no_life_under_another_one() -> None:
    first = put_cascade(on_failure="fail")
    job = submit()
    ran(job, answer(0.3))
    assert ran(job, FAULT).state == State.DEAD
    assert [seen.job for seen in seen_jobs(first.pk, most=10)] == [job.id]
    second = put_cascade(escalate={"pointer": "/confidence", "below": 0.2})
    replay_job(job_id=job.id, actor="olga")
    assert ran(job, answer(0.3)).state == State.SUCCEEDED
    assert seen_jobs(first.pk, most=10) == []
    assert [len(seen.steps) for seen in seen_jobs(second.pk, most=10)] == [1]
