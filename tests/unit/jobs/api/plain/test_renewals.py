"""What plain submits read is read again beside them: once for all, early, and only while somebody calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from jobs.api.plain import renewals
from jobs.api.plain.renewals import EARLY, LATE, CachedRead, Renewals
from models_registry import selectors


class Cache:
    """Something cached, of which so much of its time is over; a read makes it new, unless it fails."""

    def __init__(self, used: float) -> None:
        self.used, self.reads = used, 0
        self.error: Exception | None = None
        self.may_read = asyncio.Event()

    @property
    def need(self) -> CachedRead:
        return CachedRead("a cache", lambda: self.used, self._read)

    def _read(self) -> None:
        self.reads += 1
        if self.error is not None:
            raise self.error
        self.used = 0.0


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewals, "close_old_connections", lambda: None)


def run(used: float, test: Callable[[Cache, Renewals], Any]) -> None:
    async def main() -> None:
        cache = Cache(used)

        async def on_thread(function: Any, value: Any) -> Any:
            await cache.may_read.wait()
            return function(value)

        await test(cache, Renewals(on_thread))

    asyncio.run(main())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_is_new_is_not_read() -> None:
    async def test(cache: Cache, kept: Renewals) -> None:
        await kept._fresh(cache.need)
        await settled()
        assert (cache.reads, kept._reading) == (0, {})

    run(EARLY - 0.01, test)


def test_what_ends_soon_is_read_beside_and_nobody_waits() -> None:
    async def test(cache: Cache, kept: Renewals) -> None:
        for _ in range(3):
            await kept._fresh(cache.need)
        assert cache.reads == 0
        cache.may_read.set()
        await settled()
        assert (cache.reads, cache.used, kept._reading) == (1, 0.0, {})

    run(EARLY, test)


def test_all_calls_wait_for_one_read_of_what_is_missing() -> None:
    async def test(cache: Cache, kept: Renewals) -> None:
        calls = [asyncio.create_task(kept._fresh(cache.need)) for _ in range(4)]
        await settled()
        assert not any(call.done() for call in calls)
        cache.may_read.set()
        await asyncio.gather(*calls)
        assert cache.reads == 1

    run(LATE, test)


def test_a_read_that_fails_ends_no_call_and_is_not_tried_for_ever() -> None:
    async def test(cache: Cache, kept: Renewals) -> None:
        cache.may_read.set()
        cache.error = OperationalError()
        await kept._fresh(cache.need)
        assert 1 <= cache.reads <= renewals.ROUNDS

    run(1.0, test)


def test_where_much_is_read_at_once_nobody_waits_for_more() -> None:
    async def test(cache: Cache, kept: Renewals) -> None:
        made_up = [CachedRead(name, lambda: 1.0, lambda: None) for name in range(renewals.MOST_READS)]
        calls = [asyncio.create_task(kept._fresh(need)) for need in made_up]
        await settled()
        async with asyncio.timeout(20):
            await kept._fresh(cache.need)
        assert len(kept._reading) == renewals.MOST_READS
        cache.may_read.set()
        await asyncio.gather(*calls)
        await kept._fresh(cache.need)
        assert cache.reads == 1

    run(1.0, test)


def test_a_model_may_have_the_name_of_something_else_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(clock: Cache, kept: Renewals) -> None:
        model = Cache(1.0)
        always = (CachedRead("clock", lambda: clock.used, clock._read),)
        monkeypatch.setattr(renewals, "_ALWAYS", always)
        monkeypatch.setattr(renewals, "ROUNDS", 1)
        monkeypatch.setattr(selectors, "used_life", lambda _: model.used)
        monkeypatch.setattr(selectors, "renew", lambda _: model._read())
        clock.may_read.set()
        await kept.of_model("clock")
        assert (model.reads, clock.reads) == (1, 1)

    run(1.0, test)
