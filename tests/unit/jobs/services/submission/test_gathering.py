"""Jobs of concurrent calls are stored in groups, and one that cannot be stored disturbs no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast
from uuid import UUID, uuid4

import psycopg
import pytest

from jobs.core.errors import IdempotencyConflictError, UnavailableError
from jobs.core.log_context import about, known_ids
from jobs.services.submission import gathering
from jobs.services.submission.gathering import Gathering
from jobs.services.submission.plain_jobs import Outcomes, PlainJob
from jobs.services.submission.submitted import Submitted


def a_job() -> PlainJob:
    return cast(PlainJob, SimpleNamespace(new=SimpleNamespace(id=uuid4())))


def submitted(job_id: UUID) -> Submitted:
    return Submitted(job_id, "queued", "echo", "1", 0, datetime(2026, 1, 1, tzinfo=UTC), created=True)


class Store:
    """A database that stores a group when it is told to, or raises the error of a job."""

    def __init__(self) -> None:
        self.groups: list[list[UUID]] = []
        self.errors: dict[UUID, Exception] = {}
        self.open = asyncio.Event()

    async def __call__(self, jobs: Sequence[PlainJob]) -> Outcomes:
        ids = [job.new.id for job in jobs]
        self.groups.append(ids)
        await self.open.wait()
        for job in ids:
            if job in self.errors:
                raise self.errors[job]
        return {job: submitted(job) for job in ids}

    @property
    def sizes(self) -> list[int]:
        return [len(group) for group in self.groups]


def run(test: Callable[[Store, Gathering], Awaitable[None]]) -> None:
    async def main() -> None:
        store = Store()
        await test(store, Gathering(store))

    asyncio.run(main())


async def settled(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_a_lone_job_is_stored_at_once_and_those_that_come_meanwhile_are_the_next_group() -> None:
    async def test(store: Store, jobs: Gathering) -> None:
        first = asyncio.create_task(jobs.stored(a_job()))
        await settled()
        assert store.sizes == [1]
        others = [asyncio.create_task(jobs.stored(a_job())) for _ in range(5)]
        await settled()
        assert store.sizes == [1]
        store.open.set()
        assert all(job.created for job in await asyncio.gather(first, *others))
        assert store.sizes == [1, 5]

    run(test)


def test_a_group_is_bounded_and_so_are_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_JOBS", 2)
    monkeypatch.setattr(gathering, "MOST_WAITING", 5)

    async def test(store: Store, jobs: Gathering) -> None:
        calls = [asyncio.create_task(jobs.stored(a_job())) for _ in range(6)]
        await settled()
        with pytest.raises(UnavailableError):
            await calls[5]
        store.open.set()
        await asyncio.gather(*calls[:5])
        assert store.sizes == [2, 2, 1]

    run(test)


@pytest.mark.parametrize(
    "error",
    [psycopg.errors.ForeignKeyViolation(), psycopg.errors.NumericValueOutOfRange(), "a lock"],
    ids=["no version", "a bad value", "a lock"],
)
def test_a_job_that_cannot_be_stored_ends_no_other(error: Exception | str) -> None:
    async def test(store: Store, jobs: Gathering) -> None:
        store.open.set()
        bad, good = a_job(), [a_job() for _ in range(4)]
        if isinstance(error, Exception):
            store.errors[bad.new.id] = error
        else:
            store.errors[bad.new.id] = UnavailableError()
            store.errors[bad.new.id].__cause__ = psycopg.errors.LockNotAvailable()
        calls = [asyncio.create_task(jobs.stored(job)) for job in (good[0], bad, *good[1:])]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(outcome, Submitted) for outcome in outcomes] == [True, False, True, True, True]
        assert isinstance(outcomes[1], UnavailableError)

    run(test)


@pytest.mark.parametrize("cause", [psycopg.OperationalError("gone"), psycopg.errors.QueryCanceled()])
def test_where_the_database_is_gone_no_job_is_tried_alone(cause: psycopg.Error) -> None:
    async def test(store: Store, jobs: Gathering) -> None:
        store.open.set()
        group = [a_job() for _ in range(4)]
        error = UnavailableError()
        error.__cause__ = cause
        store.errors[group[0].new.id] = error
        outcomes = await asyncio.gather(*(jobs.stored(job) for job in group), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 4
        assert store.sizes == [4]

    run(test)


def test_where_all_are_blocked_only_a_few_are_tried_alone() -> None:
    async def test(store: Store, jobs: Gathering) -> None:
        store.open.set()
        group = [a_job() for _ in range(20)]
        for job in group:
            store.errors[job.new.id] = UnavailableError()
            store.errors[job.new.id].__cause__ = psycopg.errors.LockNotAvailable()
        outcomes = await asyncio.gather(*(jobs.stored(job) for job in group), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {UnavailableError}
        assert store.sizes == [20, *[1] * gathering.MOST_ALONE]

    run(test)


def test_a_mistake_of_ours_leaves_no_call_waiting() -> None:
    async def test(store: Store, jobs: Gathering) -> None:
        store.open.set()
        bad, next_one = a_job(), a_job()
        store.errors[bad.new.id] = ZeroDivisionError()
        with pytest.raises(UnavailableError):
            await jobs.stored(bad)
        assert (await jobs.stored(next_one)).id == next_one.new.id

    run(test)


def test_a_client_that_is_gone_holds_nobody_up_and_an_outcome_may_be_an_error() -> None:
    async def test(store: Store, jobs: Gathering) -> None:
        gone = asyncio.create_task(jobs.stored(a_job()))
        stays = asyncio.create_task(jobs.stored(a_job()))
        await settled()
        gone.cancel()
        store.open.set()
        assert (await stays).created

    run(test)

    async def conflict(jobs: Sequence[PlainJob]) -> Outcomes:
        return {job.new.id: IdempotencyConflictError() for job in jobs}

    with pytest.raises(IdempotencyConflictError):
        asyncio.run(Gathering(conflict).stored(a_job()))  # made where no loop runs yet


def test_a_group_s_log_lines_carry_the_id_of_no_call() -> None:
    seen = list[object]()

    async def store(jobs: Sequence[PlainJob]) -> Outcomes:
        seen.append(dict(known_ids()))
        return {job.new.id: submitted(job.new.id) for job in jobs}

    async def main() -> None:
        with about(request_id="of-the-first"):
            await Gathering(store).stored(a_job())

    asyncio.run(main())
    assert seen == [{}]
