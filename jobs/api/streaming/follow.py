"""`GET /jobs/{id}/events`: server-sent events until the job has ended."""

from __future__ import annotations

from uuid import UUID

import msgspec

from jobs.api.http.asgi_call import Call
from jobs.api.streaming.event_stream import SseStream
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.offload import run
from jobs.api.streaming.sse import events, knows_all
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.api.streaming.waiters import Waiter
from jobs.core.event_id import EventId
from jobs.metrics import STREAM_WAITING
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ONE_JOB, JobRow, only
from jobs.services.reads.snapshot import JobSnapshot, end_without_output, snapshot_of_job, written_end
from jobs.services.reads.tell_times import observe_tell

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
        with auth.waiting(hub.streams) as revoked, STREAM_WAITING.labels(KIND).track_inprogress():
            await Stream(call, auth, waiter, last, hub).run(revoked)
    finally:
        hub.forget(job_id, waiter)


async def _snapshot(job_id: UUID, owner: Owner, hub: Hub) -> JobSnapshot:
    row = await _row(job_id, owner, hub)
    return end_without_output(row) if row.is_remote else snapshot_of_job(row)


async def _row(job_id: UUID, owner: Owner, hub: Hub) -> JobRow:
    rows = await hub.fetch(ONE_JOB, {"id": job_id, "client": owner.reach})
    return only(rows)


class Stream(SseStream[JobSnapshot]):
    """One client's events; `last` is the id of the last event that it has."""

    def __init__(self, call: Call, auth: StreamAuth, waiter: Waiter, last: EventId | None, hub: Hub) -> None:
        """Prepare to send the snapshots of `waiter`."""
        super().__init__(call, waiter)
        self._auth, self._last, self._hub = auth, last, hub
        self._waited = False  # a snapshot was sent before the end

    async def send(self, now: JobSnapshot) -> bool:
        """Send the events that the client does not have yet, and return whether the job has ended."""
        if now.view is not None:
            await self._auth.again()
        if now.lacks_output:
            await self._send_large(now.id)
            self._told(now)
            return True
        if now.view is not None:
            now = msgspec.structs.replace(now, view=await self._auth.shown(now.view))
        for event in events(self._last, now):
            await self._call.piece(event)
        self._last = now.event_id.after(self._last)  # the first read brought no progress
        if now.view is not None:
            self._told(now)
        self._waited = True
        return now.view is not None

    def _told(self, end: JobSnapshot) -> None:
        """Note that the end was sent, unless the job had ended before the call."""
        if self._waited and end.view is not None:
            observe_tell(end.view)

    async def _send_large(self, job_id: UUID) -> None:
        """Send the end of a job whose output is large, once there is room for it."""
        owner = self._auth.current
        row = await _row(job_id, owner, self._hub)
        async with self._hub.outputs.room_for(owner.id, row.output_size):
            end = await run(written_end, row)
            view = await self._auth.shown(end.view or {})
            for event in events(self._last, msgspec.structs.replace(end, view=view)):
                await self._call.piece(event)
