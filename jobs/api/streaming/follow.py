"""`GET /jobs/{id}/events`: server-sent events until the job has ended."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from jobs.api.http.asgi_call import Call
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.offload import run
from jobs.api.streaming.sse import HEADERS, HEARTBEAT, events, knows_all, preamble
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.api.streaming.waiters import Waiter
from jobs.core.event_id import EventId
from jobs.metrics import STREAM_WAITING
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ONE_JOB, only
from jobs.services.reads.snapshot import JobSnapshot, snapshot_of_job

KIND = "events"


async def answer_events(job_id: UUID, call: Call, hub: Hub) -> None:
    """Answer one call, or raise the error to answer with; 204 where the client has had the end already."""
    auth = StreamAuth(hub, call)
    owner = await auth.owner()
    waiter = hub.expect(job_id, follow=True)  # before the read: a change between the two is not missed
    try:
        now = await _snapshot(job_id, owner, hub)
        await auth.note_view(owner, job_id)
        last = EventId.parse(call.request.headers.get("last-event-id", ""))
        if knows_all(last, now):
            await call.begin(204, {})
            await call.piece(b"", last=True)
            return
        waiter.put(now)
        hub.look_at(job_id)  # the read above brought no progress
        with STREAM_WAITING.labels(KIND).track_inprogress():
            await Stream(call, auth, waiter, last).run()
    finally:
        hub.forget(job_id, waiter)


async def _snapshot(job_id: UUID, owner: Owner, hub: Hub) -> JobSnapshot:
    rows = await hub.fetch(ONE_JOB, {"id": job_id, "client": owner.reach})
    return await run(snapshot_of_job, only(rows))


class Stream:
    """One client's events; `last` is the id of the last event that it has."""

    def __init__(self, call: Call, auth: StreamAuth, waiter: Waiter, last: EventId | None) -> None:
        """Prepare to send the snapshots of `waiter`."""
        self._call, self._auth, self._waiter, self._last = call, auth, waiter, last

    async def run(self) -> None:
        """Send until the job has ended or the client is gone."""
        await self._call.begin(200, HEADERS)
        await self._call.piece(preamble())
        gone: asyncio.Future[Any] = asyncio.ensure_future(self._call.gone())
        try:
            await self._send_until(gone)
        finally:
            gone.cancel()

    async def _send_until(self, gone: asyncio.Future[Any]) -> None:
        every_s = settings.INFERENCE.events_heartbeat_s
        beat_at, ended = monotonic() + every_s, False
        while not ended:
            now = await self._news(gone, beat_at - monotonic())
            if gone.done():
                return
            if now is not None:
                ended = await self.send(now)
            if monotonic() >= beat_at:
                await self._auth.owner()  # the stream ends where the token was revoked meanwhile
                await self._call.piece(HEARTBEAT)
                beat_at = monotonic() + every_s
        await self._call.piece(b"", last=True)

    async def _news(self, gone: asyncio.Future[Any], within_s: float) -> JobSnapshot | None:
        """Return the next snapshot; None where none comes in time, or the client is gone."""
        news = asyncio.ensure_future(self._waiter.news())
        either: set[asyncio.Future[Any]] = {news, gone}
        try:
            await asyncio.wait(either, timeout=max(within_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
            return news.result() if news.done() else None
        finally:
            news.cancel()

    async def send(self, now: JobSnapshot) -> bool:
        """Send the events that the client does not have yet, and return whether the job has ended."""
        if now.view is not None:
            now = msgspec.structs.replace(now, view=await self._auth.shown(now.view))
        for event in events(self._last, now):
            await self._call.piece(event)
        self._last = now.event_id.after(self._last)  # the first read brought no progress
        return now.view is not None
