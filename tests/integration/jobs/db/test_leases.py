"""Leases: one holder at a time, on the database's clock, and a late one changes nothing."""

from __future__ import annotations

from threading import Event

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.db import leases
from jobs.db.leases import HeldLeases, LeaseLostError, fenced
from jobs.db.session import driver, open_session
from jobs.db.statement import Statement, count, run
from jobs.models import Lease, LeaseHolder
from tests.support.threads import in_thread
from tests.support.wait import wait_until

OFFICE = "an-office"
_WAITS = Statement("SELECT count(*) FROM pg_locks WHERE NOT granted", int)
_GIVE = Statement("UPDATE jobs_lease SET holder = %(holder)s WHERE name = %(name)s")
_MARK = Statement("UPDATE jobs_lease SET taken_at = now() WHERE name = %(name)s")


def test_a_lease_has_one_holder_until_it_resigns(session: sa.Connection) -> None:
    with open_session() as other:
        first, second = HeldLeases(session, OFFICE), HeldLeases(other, OFFICE)
        assert (first.take(OFFICE), second.take(OFFICE), first.take(OFFICE)) == (True, False, True)
        assert leases.held_by_another(other, OFFICE)
        first.resign()
        assert not leases.held_by_another(other, OFFICE)
        assert second.take(OFFICE)
    assert Lease.objects.get(name=OFFICE).fence == 3, "each taking has its number"


def test_the_leases_of_a_session_that_ended_are_free_at_once(session: sa.Connection) -> None:
    with open_session() as other:
        assert HeldLeases(other, OFFICE).take(OFFICE)
    wait_until(lambda: not leases.held_by_another(session, OFFICE))
    assert HeldLeases(session, OFFICE).take(OFFICE)


def expire(holder: HeldLeases) -> None:
    """Let the holder's time be over, as if it had been stopped."""
    LeaseHolder.objects.filter(id=holder.id).update(expires_at="2000-01-01T00:00Z")


def test_a_stopped_holder_is_replaced_and_changes_nothing_when_it_wakes(session: sa.Connection) -> None:
    with open_session() as other:
        stopped, awake = HeldLeases(session, OFFICE), HeldLeases(other, OFFICE)
        assert stopped.take(OFFICE)
        expire(stopped)
        assert awake.take(OFFICE)
        before = Lease.objects.get(name=OFFICE).taken_at
        with pytest.raises(LeaseLostError), fenced(session):
            run(session, _MARK, {"name": OFFICE})
        assert Lease.objects.get(name=OFFICE).taken_at == before
        assert not stopped.take(OFFICE)
        stopped._renew_at = 0.0
        with pytest.raises(LeaseLostError):
            leases.keep(session)


def test_a_holder_that_is_late_and_not_replaced_goes_on(session: sa.Connection) -> None:
    late = HeldLeases(session, OFFICE)
    assert late.take(OFFICE)
    expire(late)
    with fenced(session):
        run(session, _MARK, {"name": OFFICE})
    leases.keep(session, for_s=60.0)
    with open_session() as other:
        assert not HeldLeases(other, OFFICE).take(OFFICE)


def test_a_single_statement_of_a_holder_that_was_replaced_changes_nothing(session: sa.Connection) -> None:
    update: Statement[None] = Statement(f"UPDATE jobs_lease SET taken_at = now() WHERE {leases.HELD}")
    late = HeldLeases(session, OFFICE)
    assert late.take(OFFICE)
    assert count(session, update, leases.fence_of(session)) == 1
    expire(late)
    with open_session() as other:
        assert HeldLeases(other, OFFICE).take(OFFICE)
        assert count(session, update, leases.fence_of(session)) == 0
        assert count(other, update, leases.fence_of(other)) == 1


def test_a_long_step_is_announced_and_not_cut_off(session: sa.Connection) -> None:
    holder = HeldLeases(session, OFFICE)
    assert holder.take(OFFICE)
    leases.keep(session, for_s=300.0)
    left = LeaseHolder.objects.get(id=holder.id).expires_at - timezone.now()
    assert left.total_seconds() == pytest.approx(300, abs=20)


def test_nobody_takes_over_in_the_middle_of_a_holder_s_transaction(session: sa.Connection) -> None:
    began, may_end, stop = Event(), Event(), Event()

    def hold() -> None:
        with open_session() as other:
            holder = HeldLeases(other, OFFICE)
            assert holder.take(OFFICE)
            with fenced(other):
                began.set()
                may_end.wait(10)

    with in_thread(hold, stop):
        began.wait(10)
        LeaseHolder.objects.filter(office=OFFICE).update(expires_at="2000-01-01T00:00Z")
        mine = HeldLeases(session, OFFICE)
        assert not mine.take(OFFICE), "its last transaction is still open"
        may_end.set()
        wait_until(lambda: mine.take(OFFICE))


def test_a_stopped_holder_s_open_transaction_is_ended_by_the_server(session: sa.Connection) -> None:
    driver(session).execute("SET idle_in_transaction_session_timeout = '100ms'")
    assert HeldLeases(session, OFFICE).take(OFFICE)
    with open_session() as other, pytest.raises(sa.exc.DBAPIError):
        sleep_in_a_transaction(session, other)


def sleep_in_a_transaction(session: sa.Connection, other: sa.Connection) -> None:
    """Hold a transaction until another process has taken over, then go on with it."""
    with fenced(session):
        wait_until(lambda: HeldLeases(other, OFFICE).take(OFFICE))
        run(session, _MARK, {"name": OFFICE})


def test_a_lease_that_another_took_while_this_one_waited_for_its_row_is_not_taken(
    session: sa.Connection,
) -> None:
    first = HeldLeases(session, OFFICE)
    assert first.take(OFFICE)
    first.resign()
    taken = list[bool]()

    def take() -> None:
        with open_session() as late:
            taken.append(HeldLeases(late, OFFICE).take(OFFICE))

    with open_session() as other:
        driver(other).execute("BEGIN")
        run(other, _MARK, {"name": OFFICE})
        with in_thread(take, Event()):
            wait_until(lambda: run(session, _WAITS)[0] > 0)
            winner = HeldLeases(session, OFFICE)
            run(other, _GIVE, {"name": OFFICE, "holder": winner.id})
            driver(other).execute("COMMIT")
    assert (taken, Lease.objects.get(name=OFFICE).holder) == ([False], winner.id)
