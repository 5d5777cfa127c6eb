"""`GET /jobs/{id}/events`: server-sent events until the job has ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings

from jobs.api.http.asgi_call import Call
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.offload import run
from jobs.api.streaming.sse import HEADERS, HEARTBEAT, events, knows_all, preamble
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.api.streaming.waiters import Waiter
from jobs.core.errors import JobNotFoundError
from jobs.core.event_id import EventId
from jobs.metrics import STREAM_WAITING
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ONE
from jobs.services.reads.snapshot import JobSnapshot, standing_of_view

KIND = "events"


async def answer_events(job_id: UUID, call: Call, hub: Hub) -> None:
    """Answer one call, or raise what is to be told instead; 204 where the client has had the end already."""
    gate = StreamAuth(hub, call)
    owner = await gate.owner()
    inbox = hub.expect(job_id, follow=True)  # before the read: a change between the two is not missed
    try:
        now = await _standing(job_id, owner, hub)
        await gate.note_view(owner, job_id)
        told = EventId.parse(call.headers.get(b"last-event-id", ""))
        if knows_all(told, now):
            await call.begin(204, {})
            await call.piece(b"", last=True)
            return
        inbox.put(now)
        hub.look_at(job_id)  # the read above knows of no progress
        with STREAM_WAITING.labels(KIND).track_inprogress():
            await Stream(call, gate, inbox, told).run()
    finally:
        hub.forget(job_id, inbox)


async def _standing(job_id: UUID, owner: Owner, hub: Hub) -> JobSnapshot:
    rows = await hub.fetch(ONE, {"id": job_id, "client": owner.reach})
    if not rows:
        raise JobNotFoundError
    return await run(standing_of_view, rows[0])


class Stream:
    """One client's events; `told` is what it knows."""

    def __init__(self, call: Call, gate: StreamAuth, inbox: Waiter, told: EventId | None) -> None:
        """Prepare to send what `inbox` brings."""
        self._call, self._gate, self._inbox, self._told = call, gate, inbox, told

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
                ended = await self.tell(now)
            if monotonic() >= beat_at:
                await self._gate.owner()  # a token that was revoked meanwhile ends the stream
                await self._call.piece(HEARTBEAT)
                beat_at = monotonic() + every_s
        await self._call.piece(b"", last=True)

    async def _news(self, gone: asyncio.Future[Any], within_s: float) -> JobSnapshot | None:
        """Return what is new; None where nothing is in time, or nobody left to tell."""
        news = asyncio.ensure_future(self._inbox.news())
        either: set[asyncio.Future[Any]] = {news, gone}
        try:
            await asyncio.wait(either, timeout=max(within_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
            return news.result() if news.done() else None
        finally:
            news.cancel()

    async def tell(self, now: JobSnapshot) -> bool:
        """Send what the client does not know yet, and say whether that was the end."""
        if now.view is not None:
            now = replace(now, view=await self._gate.shown(now.view))
        for event in events(self._told, now):
            await self._call.piece(event)
        self._told = now.mark.after(self._told)  # the first read knows of no progress
        return now.view is not None
