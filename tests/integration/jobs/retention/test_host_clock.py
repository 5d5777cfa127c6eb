"""A host whose clock is wrong deletes nothing too early, and gives nothing a wrong time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo
from typing import Self

import pytest
import sqlalchemy as sa
from django.utils import timezone
from prometheus_client import REGISTRY

from jobs.core.ids import unix_ms_of
from jobs.db import database_clock
from jobs.models import ApiToken
from jobs.payloads import object_store
from jobs.services.access.tokens import create_token
from jobs.services.retention import delete_objects, retain
from jobs.services.retention.delete_objects import forget_payloads
from jobs.services.retention.retain import keep_retention
from models_registry import selectors
from tests.support.factories import make_version
from tests.support.partitions import exists, make, window
from tests.support.submit import submit_to

OVER, KEPT = window(4), window(1)
DAYS = 40
AHEAD_S = DAYS * 86_400


@pytest.fixture(params=[AHEAD_S, -AHEAD_S], ids=["ahead", "behind"])
def host_clock(db: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Shift the host's clock by 40 days."""
    seconds = float(request.param)
    wall, wall_ns = time.time, time.time_ns

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(wall(), tz) + timedelta(seconds=seconds)

    monkeypatch.setattr(time, "time", lambda: wall() + seconds)
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + int(seconds * 1e9))
    for module in (object_store, delete_objects, timezone):
        monkeypatch.setattr(module, "datetime", Shifted, raising=False)
    monkeypatch.setattr(database_clock, "_clock", database_clock.DatabaseClock(wall=time.time))
    monkeypatch.setattr(retain, "TRIES", 1)
    selectors.forget()
    return seconds


def about_now(moment_s: float) -> bool:
    return abs(moment_s - time.clock_gettime(time.CLOCK_REALTIME)) < 60


@pytest.mark.parametrize("table", ["jobs_jobinput", "jobs_jobresult"])
def test_retention_drops_what_is_over_by_the_database_s_time(host_clock: float, table: str) -> None:
    make(OVER, KEPT)
    keep_retention(actor="tests")
    assert not exists(f"{table}{OVER.suffix}")
    assert exists(f"{table}{KEPT.suffix}")


def test_a_job_s_id_has_the_database_s_time(host_clock: float) -> None:
    make_version("echo")
    job = submit_to("echo", {"text": "a"})
    assert about_now(unix_ms_of(job.id) / 1_000)


def test_objects_are_named_and_forgotten_by_the_database_s_time(host_clock: float) -> None:
    database_clock.refresh()
    stored = object_store.put(b"large")
    forget_payloads()
    assert object_store.get(stored) == b"large"


def test_a_token_expires_by_the_database_s_time(host_clock: float) -> None:
    create_token(client="app", expires_in_days=10, actor="tests")
    ends_at = ApiToken.objects.get().expires_at
    assert ends_at is not None
    assert about_now(ends_at.timestamp() - 10 * 86_400)


def test_the_difference_is_a_metric(host_clock: float, session: sa.Connection) -> None:
    database_clock.measure(session)
    assert REGISTRY.get_sample_value("inference_host_clock_ahead_seconds") == pytest.approx(
        host_clock, abs=60
    )
