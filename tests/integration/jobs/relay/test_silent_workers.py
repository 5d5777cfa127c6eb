"""Jobs whose messages a stopped worker received are published again while another worker lives."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.db.models import F
from django.utils import timezone

from jobs.models import Outbox, Worker
from jobs.services.relay import statements as feed
from jobs.services.relay.silent_workers import (
    SILENT_S,
    UNDER_WAY_S,
    queues_of_silent,
    recall_from_silent,
)
from tests.support.factories import make_jobs, make_worker

ROOMY = dict.fromkeys(range(10), 1_000)


def silent(node: str, *, for_s: float = SILENT_S + 1, **fields: object) -> Worker:
    heard = timezone.now() - timedelta(seconds=for_s)
    return make_worker(node, heartbeat_at=heard, **fields)


def publish(session: sa.Connection, *, ago_s: float) -> None:
    """Publish all jobs that are due, as if it were some seconds ago."""
    taken = [row.envelope.job for row in feed.take_fresh(session, "echo", rooms=ROOMY, most=100)]
    Outbox.objects.filter(job__in=taken).update(due=F("due") - timedelta(seconds=ago_s))


def test_a_silent_worker_s_queues_are_those_that_another_worker_serves(session: sa.Connection) -> None:
    silent("gpu-0@tests", model_names=["echo", "alone"])
    make_worker("gpu-1@tests", model_names=["echo", "other"])
    assert queues_of_silent(session) == ["echo"]


@pytest.mark.parametrize(
    ("for_s", "fields", "queues"),
    [
        (1.0, {}, []),
        (SILENT_S + 1, {}, ["echo"]),
        (20.0, {"ended_at": timezone.now(), "end_reason": "silent"}, ["echo"]),
        (20.0, {"ended_at": timezone.now(), "end_reason": "stopped"}, []),
        (100.0, {}, []),
    ],
)
def test_how_long_a_worker_counts_as_silent(
    session: sa.Connection, for_s: float, fields: dict[str, object], queues: list[str]
) -> None:
    silent("gpu-0@tests", for_s=for_s, **fields)
    make_worker("gpu-1@tests")
    assert queues_of_silent(session) == queues


def test_a_live_worker_that_is_silent_too_does_not_count(session: sa.Connection) -> None:
    silent("gpu-0@tests")
    silent("gpu-1@tests")
    assert queues_of_silent(session) == []


def test_messages_that_nobody_claimed_for_seconds_are_due_again_and_younger_ones_are_not(
    session: sa.Connection,
) -> None:
    old = {job.id for job in make_jobs(3)}
    publish(session, ago_s=UNDER_WAY_S + 1)
    make_jobs(2)
    publish(session, ago_s=0.0)
    assert recall_from_silent(session, "other", most=100) == 0
    assert recall_from_silent(session, "echo", most=100) == 3
    again = feed.take_fresh(session, "echo", rooms=ROOMY, most=100)
    assert {row.envelope.job for row in again} == old
    assert recall_from_silent(session, "echo", most=100) == 0
