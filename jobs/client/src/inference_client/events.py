"""Reads server-sent events from the lines of a response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec

from inference_client.answers import TERMINAL, JobEvent
from inference_client.calls import refusal_of

# Heartbeats come every few seconds, so a stream that is silent for this long is lost.
SILENCE_S = 60.0
TIMEOUT = httpx.Timeout(10.0, read=SILENCE_S)


class EventReader:
    """Reads a stream's events over as many connections as needed; `ended` after the last event."""

    def __init__(self, url: str, *, ends: frozenset[str] = TERMINAL) -> None:
        """Prepare to follow the events at `url`, up to one whose data names a state of `ends`."""
        self.ended = False
        self._ends = ends
        self._url, self._last, self._fields = url, "", dict[str, str]()

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request of the next connection."""
        self._fields = {}
        last = {"Last-Event-ID": self._last} if self._last else {}
        headers = {"Accept": "text/event-stream", **last}
        return http.build_request("GET", self._url, headers=headers, timeout=TIMEOUT)

    def read(self, response: httpx.Response) -> Iterator[JobEvent]:
        """Yield the events of an open response; PlatformRefusedError if it is a problem."""
        if response.is_error:
            response.read()
            raise refusal_of(response)
        for line in response.iter_lines():
            if (event := self._event(line)) is not None:
                yield event

    async def aread(self, response: httpx.Response) -> AsyncIterator[JobEvent]:
        """Yield the events of an open response; PlatformRefusedError if it is a problem."""
        if response.is_error:
            await response.aread()
            raise refusal_of(response)
        async for line in response.aiter_lines():
            if (event := self._event(line)) is not None:
                yield event

    def _event(self, line: str) -> JobEvent | None:
        if line:
            self._note(line)
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        self._last = fields.get("id", self._last)
        event = JobEvent(fields.get("event", "message"), self._last, msgspec.json.decode(fields["data"]))
        self.ended = isinstance(event.data, dict) and event.data.get("state") in self._ends
        return event

    def _note(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        lines = self._fields.get("data") if name == "data" else None
        self._fields[name] = value if lines is None else f"{lines}\n{value}"
