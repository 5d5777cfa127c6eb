"""Followers and cached results count among the ends of jobs, each with its outcome."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.db.session import open_session
from jobs.models import Job
from jobs.services.reuse.follower_settler import FollowerSettler
from tests.support.reuse import MODEL, shared_version, states, submit
from tests.support.samples import Samples
from tests.support.worker import BAD, settle_due


@pytest.fixture
def session(db: str) -> Iterator[sa.Connection]:
    shared_version()
    with open_session() as session:
        yield session


@pytest.fixture
def counted() -> Samples:
    return Samples()


def ends(counted: Samples, outcome: str) -> float:
    return counted("inference_job_seconds_count", model=MODEL, outcome=outcome)


def test_followers_and_hits_are_counted_with_how_they_ended(session: sa.Connection, counted: Samples) -> None:
    settler = FollowerSettler(stop=Event())
    leader, follower, late = submit(), submit(), submit(deadline_s=60)
    settle_due(session)
    Job.objects.filter(id=late.id).update(deadline=timezone.now() - timedelta(minutes=5))
    before = ends(counted, "succeeded")
    settler.step(session, [f"job:{leader.id}"])
    assert states(leader, follower, late) == ["succeeded", "succeeded", "expired"]
    assert (ends(counted, "succeeded") - before, ends(counted, "expired")) == (1, 1)
    hit = submit()
    assert hit.cached_from == leader.id
    assert ends(counted, "succeeded") - before == 2
    assert counted("inference_job_seconds_sum", model=MODEL, outcome="succeeded") < 60


def test_followers_that_die_are_counted(session: sa.Connection, counted: Samples) -> None:
    leader, _ = submit({"text": "bad"}), submit({"text": "bad"})
    settle_due(session, BAD)
    FollowerSettler(stop=Event()).step(session, [f"job:{leader.id}"])
    assert ends(counted, "dead") == 1
