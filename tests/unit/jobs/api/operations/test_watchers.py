"""Readings go on although one of them cannot be shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jobs.api.operations import watchers
from jobs.api.operations.watchers import Watchers
from jobs.core.operations.page_content import page_content
from tests.support.readings import OneReading


def test_after_a_reading_that_cannot_be_shown_the_next_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [ValueError("a mistake of ours")]

    def shown(reading: Any) -> Any:
        if faults:
            raise faults.pop()
        return page_content(reading)

    monkeypatch.setattr(watchers, "page_content", shown)
    monkeypatch.setattr(watchers, "EVERY_S", 0.02)

    async def scenario() -> bytes:
        watching = Watchers(OneReading())
        async with watching.one_more():
            _, event = await watching.next_event(0)
            return event

    assert b"event: reading\n" in asyncio.run(asyncio.wait_for(scenario(), 5))
