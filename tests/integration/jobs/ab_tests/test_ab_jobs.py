"""What jobs of an A/B test are not: rescued, judged, or moved by a roll-out of the same version."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.states import State
from jobs.models import Event, Job, Outbox, Route, Tally
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.job_routes import job_route
from models_registry import selectors
from models_registry.core.routing.decision import Arm
from models_registry.models import Alias, Rule
from tests.support.ab_tests import ab_rule
from tests.support.factories import make_jobs
from tests.support.routes import FAULT, claimed, make_rollout, route, settled
from tests.support.rules import rule
from tests.support.submit import submit_to


def test_a_failed_job_of_an_arm_dies_at_its_version_though_a_roll_out_has_that_version(
    session: sa.Connection,
) -> None:
    """Beside it, a job of the roll-out fails and is rescued."""
    rollout = make_rollout()
    rescued, own = make_jobs(2, version=rollout.candidate)
    route([rescued], rollout)
    Route.objects.create(job=own, rule=1, version=rollout.candidate_id, arm=Arm.AB, key=5, asked="echo@fast")
    row, running = claimed(session, [rescued, own], rollout.candidate)
    settled(session, row, running, FAULT)
    ends = dict(Job.objects.values_list("pk", "state"))
    assert ends == {rescued.pk: State.QUEUED, own.pk: State.DEAD}
    own.refresh_from_db()
    assert own.version_id == rollout.candidate_id
    assert not Event.objects.filter(job=own, kind__in=["rescue", "take_back"]).exists()
    assert [keys for (keys,) in Tally.objects.values_list("keys")] == [
        [Route.objects.get(pk=rescued.pk).key]
    ], "the judge sees the roll-out's job alone"


@pytest.fixture
def put(db: str) -> Rule:
    return ab_rule(sticky="job")


def test_a_test_leaves_its_alias_where_it_was(put: Rule) -> None:
    """Nothing but a person moves it: no roll-out stands behind the rule."""
    assert put.rollout is None
    for number in range(20):
        submit_to("echo", number)
    assert Alias.objects.get(name="default").version.version == "1"
    assert list(Rule.objects.values_list("number", flat=True)) == [put.number]


def test_a_job_says_which_arm_it_was_given_to(put: Rule) -> None:
    jobs = [submit_to("echo", number) for number in range(30)]
    assert {job.version for job in jobs} == {"1", "2"}
    for job in jobs:
        shown = job_route(job.id)
        assert shown is not None
        assert (shown.arm, shown.routed, shown.rule) == (Arm.AB, job.version, put.number)
        assert shown.sentence == (
            f"Asked echo, routed to echo:{job.version} as arm of an A/B test by rule {put.number}."
        )


def test_a_replay_is_decided_by_the_rule_in_force_and_its_exposure_stays(put: Rule) -> None:
    jobs = [submit_to("echo", number) for number in range(20)]
    job = next(job for job in jobs if job.version == "2")
    Outbox.objects.filter(job_id=job.id).delete()
    Job.objects.filter(pk=job.id).update(state=State.CANCELLED, finished_at=timezone.now())
    rule(candidate=None, share=0.0)
    selectors.forget()
    replay_job(job_id=job.id, actor="tests")
    moved = Job.objects.select_related("version").get(pk=job.id)
    assert moved.version.version == "1"
    exposed = Route.objects.get(pk=job.id)
    assert (exposed.rule, exposed.arm) == (put.pk, "ab")
    assert exposed.version == selectors.resolve("echo:2").id
