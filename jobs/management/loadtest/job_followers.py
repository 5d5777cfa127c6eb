"""How the end of a job is seen: by asking again and again, by a call that waits, by events, or by a webhook.

A follower that cannot see an end returns None: then the final state is read from the job lists after the
load, and its latency counts as not measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from jobs.core.states import TERMINAL
from jobs.management.loadtest.http_lines import LOST, NoLineError
from jobs.management.loadtest.platform_calls import JobUrls, PlatformCalls, SeenJob

FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH = 0.05, 1.0, 1.5
WAIT_S = 30
LOSSES = 3
# The final state of a job and the loop's time at which it was seen; None where it was not seen.
SeenEnd = tuple[str, float] | None
Follow = Callable[[str, JobUrls, int], Awaitable[SeenEnd]]


class JobFollowers:
    """The ways to wait, by the names of `--wait`; each takes a job's id, its addresses and its client."""

    def __init__(self, calls: PlatformCalls) -> None:
        self._calls = calls
        self._ended: dict[str, asyncio.Future[SeenEnd]] = {}

    def named(self, wait: str) -> Follow | None:
        """Return the way to wait; None for `none`."""
        ways: dict[str, Follow] = {
            "poll": self._poll, "longpoll": self._long_poll, "sse": self._events, "webhook": self._webhook,
        }  # fmt: skip
        return ways.get(wait)

    def webhook(self, job_id: str, state: str, at: float) -> None:
        """Take a webhook, which may come before the answer to the submit is read."""
        future = self._expected(job_id)
        if not future.done():
            future.set_result((state, at))

    async def _poll(self, _job_id: str, urls: JobUrls, client: int) -> SeenEnd:
        pause_s = FIRST_PAUSE_S
        losses = 0
        while losses < LOSSES:
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * GROWTH)
            if (seen := await self._read(urls.self, client)) is None:
                losses += 1
            elif seen[0] in TERMINAL:
                return seen
        return None

    async def _long_poll(self, _job_id: str, urls: JobUrls, client: int) -> SeenEnd:
        url = f"{urls.wait.partition('?')[0]}?wait={WAIT_S}"
        return await self._until_it_ends(url, client)

    async def _events(self, _job_id: str, urls: JobUrls, client: int) -> SeenEnd:
        """Follow the events: the platform ends the answer with the job's end."""
        return await self._until_it_ends(urls.events, client)

    async def _webhook(self, job_id: str, _urls: JobUrls, _client: int) -> SeenEnd:
        try:
            return await self._expected(job_id)
        finally:
            self._ended.pop(job_id, None)

    async def _until_it_ends(self, url: str, client: int) -> SeenEnd:
        losses = 0
        while losses < LOSSES:
            if (seen := await self._read(url, client)) is None:
                losses += 1
            elif seen[0] in TERMINAL:
                return seen
        return None

    async def _read(self, url: str, client: int) -> SeenEnd:
        """Return the state that an answer names and its time; None where the call failed."""
        try:
            reply = await self._calls.get(url, client, limit_s=2.0 * WAIT_S)
        except (*LOST, NoLineError):
            return None
        if not reply.ok:
            return None
        with suppress(msgspec.MsgspecError, IndexError):
            return msgspec.json.decode(_json_of(reply.body), type=SeenJob).state, reply.at
        return None

    def _expected(self, job_id: str) -> asyncio.Future[SeenEnd]:
        if job_id not in self._ended:
            self._ended[job_id] = asyncio.get_running_loop().create_future()
        return self._ended[job_id]


def _json_of(body: bytes) -> bytes:
    """Return the JSON of an answer, or of the last event where it is a stream of them; IndexError."""
    if body[:1] == b"{":
        return body
    return [line for line in body.splitlines() if line.startswith(b"data:")][-1][5:]
