"""`client.drift`: the drift of a model's versions, for threads and for asyncio.

    for version in client.drift.show("digits").versions:
        print(version.version, version.sentence)

The token needs the scope `roll_out`. PlatformRefusedError where a call is refused.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from inference_client.calls import JSON, Calls, Flow, Send
from inference_client.drift.drift_answers import RemoteDrift
from inference_client.rollout_clients import RunFlow, RunFlowAsync

SHOWN_HOURS = 48


class DriftCalls(Calls):
    """The calls on drift, each tried again as `patience` allows."""

    def show(self, model: str, version: str | None, hours: int) -> Flow[RemoteDrift]:
        """Read the drift of a model."""
        asked = {"hours": hours} if version is None else {"version": version, "hours": hours}
        return self._drift(Send("GET", f"{_of(model)}?{urlencode(asked)}"))

    def freeze(self, model: str, contents: dict[str, Any]) -> Flow[RemoteDrift]:
        """Give a version another reference."""
        return self._drift(Send("POST", f"{_of(model)}/reference", msgspec.json.encode(contents), JSON))

    def _drift(self, send: Send) -> Flow[RemoteDrift]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteDrift)


class DriftViews:
    """Drift, for threads."""

    def __init__(self, calls: DriftCalls, run: RunFlow) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    def show(self, model: str, version: str | None = None, *, hours: int = SHOWN_HOURS) -> RemoteDrift:
        """Return the drift of a model's watched versions, or of one, with so many hours of each field.

        The platform shows more than 48 hours of a named version alone.
        """
        return self._run(self._calls.show(model, version, hours))

    def freeze(self, model: str, version: str, **reference: Any) -> RemoteDrift:
        """Give a version another reference: `since` and `until`, or `like` another one; `reason` is kept."""
        return self._run(self._calls.freeze(model, {"version": version, **reference}))


class AsyncDriftViews:
    """Drift, for asyncio."""

    def __init__(self, calls: DriftCalls, run: RunFlowAsync) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    async def show(self, model: str, version: str | None = None, *, hours: int = SHOWN_HOURS) -> RemoteDrift:
        """Return the drift of a model's watched versions, or of one, with so many hours of each field.

        The platform shows more than 48 hours of a named version alone.
        """
        return await self._run(self._calls.show(model, version, hours))

    async def freeze(self, model: str, version: str, **reference: Any) -> RemoteDrift:
        """Give a version another reference: `since` and `until`, or `like` another one; `reason` is kept."""
        return await self._run(self._calls.freeze(model, {"version": version, **reference}))


def _of(model: str) -> str:
    return f"/api/v1/models/{quote(model, safe='')}/drift"
