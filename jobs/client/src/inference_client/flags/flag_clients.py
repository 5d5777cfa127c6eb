"""`client.flags`: flags, for threads and for asyncio.

    flag = client.flags.get("new-tokens")
    client.flags.put("new-tokens", {**flag.document, "share": 0.5}, reason="half of them", number=flag.number)

The token needs the scope `roll_out`. PlatformRefusedError where a call is refused: its problem's code is
`flag_conflict` where the flag has changed since it was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from inference_client.flags.calls_on_flags import FlagCalls
from inference_client.flags.flag_answers import PreviewedFlag, RemoteFlag, RemoteFlagChange, ShownFlag
from inference_client.rollout_clients import RunFlow, RunFlowAsync

Document = Mapping[str, Any]


class Flags:
    """Flags, for threads."""

    def __init__(self, calls: FlagCalls, run: RunFlow) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    def list(self, *, expired: bool | None = None, at: datetime | None = None) -> Sequence[RemoteFlag]:
        """Return the flags in force by name, or those that were `at` a moment with its time zone."""
        return self._run(self._calls.flags(_filters(expired, at)))

    def get(self, name: str) -> ShownFlag:
        """Return a flag, what decides by it, and its history."""
        return self._run(self._calls.flag(name))

    def put(self, name: str, document: Document, *, reason: str = "", number: int | None = None) -> ShownFlag:
        """Put a flag in force, or change it; with the `number` that was read, only if that is in force."""
        contents = {"document": document, "reason": reason, "number": number}
        return self._run(self._calls.put(name, contents))

    def remove(self, name: str, *, reason: str = "", number: int | None = None) -> RemoteFlagChange:
        """Remove a flag; its history stays.

        After a lost answer the call is sent again, and then it fails with 404 `flag_not_found` where the flag
        was removed by the first one.
        """
        return self._run(self._calls.remove(name, {"number": number, "reason": reason or None}))

    def preview(
        self,
        name: str,
        document: Document,
        *,
        sticky: str | None = None,
        asks: Sequence[Document] | None = None,
        last: int | None = None,
    ) -> PreviewedFlag:
        """Return for whom a flag would be on: of jobs that `asks` describe, or the `last` stored ones."""
        contents = {"document": document, "sticky": sticky, "asks": asks, "last": last}
        return self._run(self._calls.preview(name, contents))


class AsyncFlags:
    """Flags, for asyncio."""

    def __init__(self, calls: FlagCalls, run: RunFlowAsync) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    async def list(self, *, expired: bool | None = None, at: datetime | None = None) -> Sequence[RemoteFlag]:
        """Return the flags in force by name, or those that were `at` a moment with its time zone."""
        return await self._run(self._calls.flags(_filters(expired, at)))

    async def get(self, name: str) -> ShownFlag:
        """Return a flag, what decides by it, and its history."""
        return await self._run(self._calls.flag(name))

    async def put(
        self, name: str, document: Document, *, reason: str = "", number: int | None = None
    ) -> ShownFlag:
        """Put a flag in force, or change it; with the `number` that was read, only if that is in force."""
        contents = {"document": document, "reason": reason, "number": number}
        return await self._run(self._calls.put(name, contents))

    async def remove(self, name: str, *, reason: str = "", number: int | None = None) -> RemoteFlagChange:
        """Remove a flag; its history stays.

        After a lost answer the call is sent again, and then it fails with 404 `flag_not_found` where the flag
        was removed by the first one.
        """
        return await self._run(self._calls.remove(name, {"number": number, "reason": reason or None}))

    async def preview(
        self,
        name: str,
        document: Document,
        *,
        sticky: str | None = None,
        asks: Sequence[Document] | None = None,
        last: int | None = None,
    ) -> PreviewedFlag:
        """Return for whom a flag would be on: of jobs that `asks` describe, or the `last` stored ones."""
        contents = {"document": document, "sticky": sticky, "asks": asks, "last": last}
        return await self._run(self._calls.preview(name, contents))


def _filters(expired: bool | None, at: datetime | None) -> dict[str, str | None]:  # noqa: FBT001  # a filter
    return {
        "expired": None if expired is None else str(expired).lower(),
        "at": None if at is None else at.isoformat(),
    }
