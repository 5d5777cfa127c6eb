"""Sessions are looked at again after any failure: a stream must not outlive its session."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from jobs.api.operations import session_watch
from jobs.api.operations.session_watch import SessionWatch
from jobs.services.access.admin_sessions import SessionEnd


def test_a_session_that_ends_after_a_failed_look_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [ValueError("a mistake of ours")]

    def ended(keys: Collection[str]) -> dict[str, SessionEnd]:
        if faults:
            raise faults.pop()
        return dict.fromkeys(keys, SessionEnd.SIGNED_OUT)

    monkeypatch.setattr(session_watch, "_ended", ended)
    monkeypatch.setattr(session_watch, "LOOK_S", 0.02)

    async def scenario() -> SessionEnd:
        with SessionWatch().watch("a key") as end:
            return await end

    assert asyncio.run(asyncio.wait_for(scenario(), 5)) is SessionEnd.SIGNED_OUT
