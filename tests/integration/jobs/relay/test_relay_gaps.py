"""A time without any relay is on record once one is back; one that lacks the broker is another thing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.db.models import F

from jobs.models import Lease, Outage
from jobs.services.relay.relay_gaps import EVERY_S, RelayGaps


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def long_ago(seconds: float) -> None:
    Lease.objects.update(taken_at=F("taken_at") - timedelta(seconds=seconds))


def lasted_s() -> list[float]:
    return [(row.until - row.began_at).total_seconds() for row in Outage.objects.filter(kind="no_relay")]


@pytest.fixture
def first(session: sa.Connection) -> None:
    RelayGaps().opened(session)
    assert lasted_s() == [], "nothing is known of the time before the first relay"


@pytest.mark.usefixtures("first")
def test_the_time_between_two_relays_is_on_record(session: sa.Connection) -> None:
    long_ago(60)
    RelayGaps().opened(session)
    assert lasted_s() == [pytest.approx(60, abs=1)]
    RelayGaps().opened(session)
    assert len(lasted_s()) == 1


@pytest.mark.usefixtures("first")
def test_a_restart_is_none(session: sa.Connection) -> None:
    long_ago(4)
    RelayGaps().opened(session)
    assert lasted_s() == []


@pytest.mark.usefixtures("first")
def test_the_time_in_which_a_relay_asks_for_the_broker_is_none(session: sa.Connection) -> None:
    clock = Clock()
    gaps = RelayGaps(clock)
    clock.now += 40.0  # since its start
    long_ago(60)
    gaps.opened(session)
    assert lasted_s() == [pytest.approx(20, abs=1)]
    gaps.away()
    clock.now += 30.0
    gaps.away()
    long_ago(31)
    gaps.opened(session)
    assert len(lasted_s()) == 1


@pytest.mark.usefixtures("first")
def test_a_mark_is_left_now_and_then(session: sa.Connection) -> None:
    clock = Clock()
    gaps = RelayGaps(clock)
    gaps.opened(session)
    long_ago(3)
    before = Lease.objects.get().taken_at
    gaps.mark(session)
    assert Lease.objects.get().taken_at == before
    clock.now += EVERY_S
    gaps.mark(session)
    assert Lease.objects.get().taken_at > before
