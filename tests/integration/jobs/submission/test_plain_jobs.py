"""Jobs of several calls and clients, stored by one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import transaction

from jobs.core.errors import IdempotencyConflictError, PlatformError
from jobs.core.submission.request import JobRequest
from jobs.db.connections import options, pin_async
from jobs.db.session_settings import Use
from jobs.models import Event, Job, JobInput, Outbox
from jobs.services.access.owner import Owner
from jobs.services.submission.new_job import place_jobs
from jobs.services.submission.parse import parse_jobs
from jobs.services.submission.plain_jobs import PlainJob, is_plain, store_plain
from jobs.services.submission.submit import submit_job
from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from models_registry.core.secrecy import Secrecy
from tests.support.factories import make_version
from tests.support.locks import wait_until_a_session_is_blocked
from tests.support.submit import owner


@pytest.fixture(autouse=True)
def echo(db: str) -> None:
    selectors.forget()
    make_version("echo")


def plain(of: Owner, text: str, *, key: str | None = None, address: str | None = "10.0.0.1") -> PlainJob:
    request = JobRequest(model="echo", input={"text": text}, idempotency_key=key)
    parsed, refused = parse_jobs(owner=of, requests={0: request}, parts={})
    assert not refused
    (new,) = place_jobs(owner=of, jobs=parsed, expected=None)
    return PlainJob(of, new, address)


def store(jobs: Sequence[PlainJob]) -> list[Submitted | PlatformError]:
    async def stored() -> list[Submitted | PlatformError]:
        async with await psycopg.AsyncConnection.connect(**options("tests"), autocommit=True) as session:
            await pin_async(session, use=Use.BULK)
            outcomes = await store_plain(session, jobs)
        return [outcomes[job.new.id] for job in jobs]

    return asyncio.run(stored())


def ids(outcomes: Sequence[Submitted | PlatformError]) -> list[Any]:
    return [outcome.id if isinstance(outcome, Submitted) else type(outcome) for outcome in outcomes]


def test_each_job_is_stored_under_its_own_client_with_its_input_and_its_outbox_row() -> None:
    jobs = [plain(owner(name), text) for name, text in (("b", "one"), ("a", "two"), ("b", "three"))]
    outcomes = store(jobs)
    assert ids(outcomes) == [job.new.id for job in jobs]
    assert all(isinstance(outcome, Submitted) and outcome.created for outcome in outcomes)
    for job, text in zip(jobs, ("one", "two", "three"), strict=True):
        row = Job.objects.get(pk=job.new.id)
        outbox = Outbox.objects.get(pk=row.pk)
        assert (row.client_id, row.state, row.model) == (job.owner.id, "queued", "echo")
        assert (outbox.client, outbox.epoch, outbox.model) == (job.owner.id, 0, "echo")
        assert bytes(JobInput.objects.get(pk=row.pk).body) == b'{"text":"%s"}' % text.encode()


def test_each_call_leaves_the_event_that_it_leaves_alone() -> None:
    first, second = replace(owner("a"), token=5), replace(owner("b"), token=6)
    jobs = [plain(first, "one", address="203.0.113.9"), plain(second, "two", address="2001:db8::1")]
    store([*jobs, plain(second, "three", address=None)])
    alone = submit_job(owner=first, request=JobRequest(model="echo", input={"text": "alone"}))
    one, two, three, lone = Event.objects.order_by("token", "address")
    assert (one.job_id, one.actor, one.address, one.token) == (jobs[0].new.id, "client:a", "203.0.113.9", 5)
    assert (two.job_id, two.actor, two.address, two.token) == (jobs[1].new.id, "client:b", "2001:db8::1", 6)
    assert (three.actor, three.address) == ("client:b", None)
    assert lone.job_id == alone.id
    assert {(event.kind, event.epoch, *event.detail) for event in (one, two, three, lone)} == {("submit", 0)}


def test_a_key_that_stands_already_disturbs_no_other_job() -> None:
    a, b = owner("a"), owner("b")
    earlier = submit_job(owner=a, request=JobRequest(model="echo", input={"text": "x"}, idempotency_key="k"))
    jobs = [plain(a, "x", key="k"), plain(a, "other", key="k"), plain(b, "x", key="k"), plain(a, "new")]
    outcomes = store(jobs)
    assert ids(outcomes) == [earlier.id, IdempotencyConflictError, jobs[2].new.id, jobs[3].new.id]
    assert [outcome.created for outcome in outcomes if isinstance(outcome, Submitted)] == [False, True, True]
    assert Event.objects.filter(kind="submit").count() == 3


def test_one_of_two_calls_with_a_key_in_one_statement_makes_the_job_for_both() -> None:
    jobs = [plain(owner("a"), "x", key="k"), plain(owner("a"), "x", key="k")]
    assert len({*ids(store(jobs))}) == 1
    assert Job.objects.count() == 1


def test_a_statement_that_is_run_twice_finds_its_own_rows() -> None:
    jobs = [plain(owner("a"), "x", key="k"), plain(owner("b"), "y")]
    assert ids(store(jobs)) == ids(store(jobs))
    assert all(isinstance(outcome, Submitted) and outcome.created for outcome in store(jobs))
    assert Event.objects.filter(kind="submit").count() == 2


def test_groups_that_share_keys_in_other_orders_do_not_deadlock() -> None:
    """The first waits for `m`; the second must wait behind it without a key that the first still needs."""
    of = owner("a")
    k, m, l_ = (plain(of, "x", key=key) for key in "kml")
    with ThreadPoolExecutor() as threads:
        with transaction.atomic():
            submit_job(owner=of, request=JobRequest(model="echo", input={"text": "x"}, idempotency_key="m"))
            first = threads.submit(store, [k, m, l_])
            wait_until_a_session_is_blocked()
            second = threads.submit(store, [l_, k])
            wait_until_a_session_is_blocked(2)
            transaction.set_rollback(True)
        assert ids(first.result(20)) == [k.new.id, m.new.id, l_.new.id]
        assert ids(second.result(20)) == [l_.new.id, k.new.id]


@pytest.mark.parametrize(
    "fields",
    [
        {"callback_url": "https://a.example/"},
        {"subjects": (b"s",)},
        {"labels": (("a", "b"),)},
        {"secrecy": Secrecy(encrypt=True)},
    ],
)
def test_a_job_that_needs_more_than_its_rows_is_not_plain(fields: dict[str, Any]) -> None:
    new = plain(owner(), "x").new
    assert is_plain(new)
    assert not is_plain(replace(new, job=replace(new.job, **fields)))
    assert not is_plain(replace(new, job=replace(new.job, body=b" " * 2_000_000)))
