"""The event loop's connection for changes: lost and opened again, and with the limits of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from jobs.core.errors import UnavailableError
from jobs.db.connections import options
from jobs.db.loop_session import LoopSession, Session
from jobs.db.statement import Statement, fetch_async

_PID = Statement("SELECT pg_backend_pid()", int)
_LIMIT = Statement("SELECT current_setting('lock_timeout')", str)


async def pid(session: Session) -> int:
    return (await fetch_async(session, _PID, {}))[0]


def run(test: Callable[[LoopSession], Awaitable[None]]) -> None:
    async def main() -> None:
        session = LoopSession("tests")
        try:
            await test(session)
        finally:
            await session.close()

    asyncio.run(main())


def test_work_is_done_again_on_a_new_connection_where_the_old_one_was_lost(db: str) -> None:
    async def test(session: LoopSession) -> None:
        before = await session.once_more(pid)
        assert await session.once_more(pid) == before
        with psycopg.connect(**options("tests"), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
        assert await session.once_more(pid) != before

    run(test)


def test_it_waits_for_a_lock_as_briefly_as_a_call_may(db: str) -> None:
    async def test(session: LoopSession) -> None:
        limit = await session.once_more(lambda held: fetch_async(held, _LIMIT, {}))
        assert limit == ["1s"]

    run(test)


@pytest.mark.parametrize(
    ("error", "times"), [(psycopg.errors.DeadlockDetected, 2), (psycopg.errors.LockNotAvailable, 1)]
)
def test_trouble_is_unavailable_after_a_second_time_where_that_may_help(
    db: str, error: type[psycopg.Error], times: int
) -> None:
    done = list[int]()

    async def work(_session: Session) -> None:
        done.append(1)
        raise error

    async def test(session: LoopSession) -> None:
        with pytest.raises(UnavailableError):
            await session.once_more(work)

    run(test)
    assert len(done) == times


def test_an_error_that_will_not_pass_is_raised_as_it_is(db: str) -> None:
    async def work(session: Session) -> None:
        await session.execute("SELECT 1 / 0")

    async def test(session: LoopSession) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await session.once_more(work)

    run(test)
