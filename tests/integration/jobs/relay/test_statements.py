import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.relay.publish_policy import VISIBILITY_CAP_S, VISIBILITY_S
from jobs.db import leases
from jobs.db.leases import HeldLeases
from jobs.db.session import open_session, transaction
from jobs.models import Client, Outbox
from jobs.services.relay import statements as feed
from jobs.services.relay.in_flight_statements import any_overdue, in_flight
from tests.support.factories import make_client, make_job, make_jobs
from tests.support.wait import wait_until

ROOMY = dict.fromkeys(range(10), 1_000)


def due_in_s(job_id: UUID) -> float:
    return (Outbox.objects.get(job_id=job_id).due - timezone.now()).total_seconds()


def test_rows_are_taken_by_priority_and_then_the_longest_due_first(session: sa.Connection) -> None:
    now = timezone.now()
    late, later = (make_job(priority=4, due=now - timedelta(seconds=s)) for s in (60, 30))
    urgent = make_job(priority=9)
    make_job(priority=0)
    rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=3)
    assert [row.envelope.job for row in rows] == [urgent.id, late.id, later.id]
    assert rows[1].late_s == pytest.approx(60, abs=5)


def test_jobs_of_one_moment_are_taken_in_the_order_of_their_ids(session: sa.Connection) -> None:
    jobs = make_jobs(200)
    rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=1_000)
    assert [row.envelope.job for row in rows] == sorted(job.id for job in jobs)


def test_a_row_that_is_not_due_is_not_taken(session: sa.Connection) -> None:
    make_job(due=timezone.now() + timedelta(seconds=60))
    assert feed.take_fresh(session, "echo", rooms=ROOMY, most=10) == []


def test_a_level_gets_no_more_than_its_room_counting_those_above(session: sa.Connection) -> None:
    make_jobs(5, priority=9)
    make_jobs(5, priority=0)
    rows = feed.take_fresh(session, "echo", rooms={9: 10, 0: 7}, most=100)
    assert [row.envelope.priority for row in rows] == [9] * 5 + [0] * 2


def test_a_full_level_gets_nothing(session: sa.Connection) -> None:
    make_job(priority=0)
    assert feed.take_fresh(session, "echo", rooms={9: 10, 0: 0}, most=10) == []


def test_clients_take_turns_regardless_of_their_backlogs(session: sa.Connection) -> None:
    early = timezone.now() - timedelta(hours=1)
    make_jobs(50, client=make_client("noisy"), due=early)
    few = make_jobs(3, client=make_client("quiet"))
    rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=10)
    assert {job.id for job in few} < {row.envelope.job for row in rows[:6]}
    assert [row.turn for row in rows] == [1, 1, 2, 2, 3, 3, 4, 5, 6, 7]


def test_a_client_without_a_job_in_flight_comes_first_even_at_a_full_level(session: sa.Connection) -> None:
    noisy, quiet = make_client("noisy"), make_client("quiet")
    make_jobs(50, client=noisy, due=timezone.now() - timedelta(hours=1))
    make_jobs(5, client=quiet)
    held = {(4, noisy.id): 20}
    rows = feed.take_fresh(session, "echo", rooms={4: 0}, most=10, held=held, reserve=3)
    assert [(row.envelope.client, row.turn) for row in rows] == [(quiet.id, turn) for turn in (1, 2, 3)]
    rows = feed.take_fresh(session, "echo", rooms={4: 4}, most=10, held=held)
    assert [(row.envelope.client, row.turn) for row in rows] == [
        (quiet.id, 1), (quiet.id, 2), (noisy.id, 21), (noisy.id, 22)
    ]  # fmt: skip


def test_a_full_level_costs_no_reading(session: sa.Connection) -> None:
    client = make_client("noisy")
    make_jobs(300, client=client)
    values = {
        "queue": "echo", "priorities": [4], "rooms": [0],
        "levels": [4], "clients": [client.id], "counts": [50],
        "most": 100, "least": 32, "reserve": 10,
        "of": [4], "whose": [client.id], "lows": [0.0], "since_s": time.time(),
    }  # fmt: skip
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {feed._FRESH.sql}"
    (plan,) = session.exec_driver_sql(explain, values).scalar_one()
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in outbox_nodes(plan["Plan"]))
    assert read <= 4  # one to find the client, none of its jobs


def outbox_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a plan that read the outbox."""
    if node.get("Relation Name") == "jobs_outbox":
        yield node
    for child in node.get("Plans", ()):
        yield from outbox_nodes(child)


def test_three_hundred_clients_are_served_at_once_each_with_one_job(session: sa.Connection) -> None:
    Client.objects.bulk_create(Client(name=f"client-{number}") for number in range(300))
    for client in Client.objects.filter(name__startswith="client-"):
        make_jobs(2, client=client)
    rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=300)
    assert len({row.envelope.client for row in rows}) == 300


def test_a_taken_row_is_in_flight_and_not_taken_again_before_its_time(session: sa.Connection) -> None:
    job = make_job(priority=3)
    assert len(feed.take_fresh(session, "echo", rooms=ROOMY, most=10)) == 1
    assert feed.take_fresh(session, "echo", rooms=ROOMY, most=10) == []
    assert in_flight(session, "echo").jobs == {(3, job.client_id): 1}
    assert due_in_s(job.id) == pytest.approx(VISIBILITY_S, abs=5)


def test_the_visibility_time_doubles_with_each_publish_up_to_a_cap(session: sa.Connection) -> None:
    once, often = make_job(published=1), make_job(published=40)
    assert len(feed.take_overdue(session, "echo", most=10)) == 2
    assert due_in_s(once.id) == pytest.approx(2 * VISIBILITY_S, abs=5)
    assert due_in_s(often.id) == pytest.approx(VISIBILITY_CAP_S, abs=5)


def test_a_row_that_another_transaction_holds_is_passed_over(session: sa.Connection) -> None:
    held, free = make_jobs(2)
    with open_session() as other, transaction(other):
        other.execute(sa.text("DELETE FROM jobs_outbox WHERE job_id = :id"), {"id": held.id})
        rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=10)
    assert [row.envelope.job for row in rows] == [free.id]


def test_a_row_given_back_as_absent_is_fresh_again(session: sa.Connection) -> None:
    job = make_job()
    rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=1)
    feed.give_back(session, [row.envelope for row in rows], absent=True, delay_s=0)
    assert Outbox.objects.get(job=job).published == 0
    assert len(feed.take_fresh(session, "echo", rooms=ROOMY, most=1)) == 1


def test_a_row_given_back_as_unknown_stays_in_flight(session: sa.Connection) -> None:
    make_job()
    rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=1)
    feed.give_back(session, [row.envelope for row in rows], absent=False, delay_s=0)
    assert feed.take_fresh(session, "echo", rooms=ROOMY, most=1) == []
    assert len(feed.take_overdue(session, "echo", most=1)) == 1


def test_a_row_of_a_newer_epoch_is_not_given_back(session: sa.Connection) -> None:
    job = make_job()
    rows = feed.take_fresh(session, "echo", rooms=ROOMY, most=1)
    Outbox.objects.filter(job=job).update(epoch=5)
    feed.give_back(session, [row.envelope for row in rows], absent=True, delay_s=0)
    assert Outbox.objects.get(job=job).published == 1


def test_postponed_rows_change_only_their_time(session: sa.Connection) -> None:
    job = make_job(published=1)
    assert feed.postpone_overdue(session, "echo", most=10, delay_s=50) == 1
    assert due_in_s(job.id) == pytest.approx(50, abs=5)
    assert not any_overdue(session, "echo").overdue
    assert Outbox.objects.get(job=job).published == 1


def test_recalled_rows_are_fresh_again_and_due_at_a_rate_the_highest_priority_first(
    session: sa.Connection,
) -> None:
    low, high = make_jobs(30, published=1, priority=0), make_jobs(30, published=3, priority=9)
    assert feed.recall(session, "echo", most=1_000, per_s=0.1) == 60
    assert in_flight(session, "echo").jobs == {}
    due = Outbox.objects.order_by("due").values_list("job_id", "due")
    assert {job for job, _ in due[:30]} == {job.id for job in high}
    assert {job for job, _ in due[30:]} == {job.id for job in low}
    gaps = {(later - sooner).total_seconds() for (_, sooner), (_, later) in pairwise(due)}
    assert gaps == {10.0}


def test_no_more_rows_are_recalled_than_requested(session: sa.Connection) -> None:
    make_jobs(30, published=1)
    assert feed.recall(session, "echo", most=20, per_s=1_000) == 20
    assert sum(in_flight(session, "echo").jobs.values()) == 10


def test_each_relay_owns_its_share_and_the_queues_of_a_dead_one_are_taken_over(
    session: sa.Connection,
) -> None:
    queues = ["a", "b", "c", "d"]
    first = HeldLeases(session, leases.RELAY)
    mine = first.divide(queues, ())
    assert mine == set(queues)
    with open_session() as other:
        second = HeldLeases(other, leases.RELAY)
        assert second.divide(queues, ()) == set()
        mine = first.divide(queues, mine)
        theirs = second.divide(queues, ())
        assert (len(mine), len(theirs), mine | theirs) == (2, 2, set(queues))
    wait_until(lambda: first.divide(queues, mine) == set(queues))
