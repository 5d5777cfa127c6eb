"""Calls that wait for their job to end: `GET /jobs/{id}?wait=S` and `Prefer: wait=S`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

import psycopg

from jobs.api.auth import seen_by
from jobs.api.http.asgi_call import AsgiResponse, Call, ClientGoneError, Headers
from jobs.api.prefer import APPLIED, WaitRequest, bounded_wait_s
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.offload import run, written
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.api.streaming.waiters import Waiter
from jobs.core.access.scopes import Scope
from jobs.core.errors import MalformedRequestError, PlatformError
from jobs.core.states import TERMINAL
from jobs.metrics import STREAM_WAITING
from jobs.services.reads.job_views import ONE_JOB, View, only, view_of
from jobs.services.reads.tell_times import observe_tell

KIND = "long_poll"
log = logging.getLogger(__name__)


async def answer_job(job_id: UUID, call: Call, hub: Hub) -> None:
    """Answer one call, or raise the error to answer with; ClientGoneError where the client is gone."""
    auth = StreamAuth(hub, call)
    owner = await auth.owner()
    async with AsyncExitStack() as room:
        view = await JobWait(auth, call, hub, room).job(job_id, _wait_s(call))
        view = await auth.shown(view)
        await auth.note_view(owner, job_id)
        answer = await written(view, call.request.headers.get("accept", ""))
        await call.answer(200, *answer)
    _told(call)


async def answer_once_ended(first: AsgiResponse, call: Call, hub: Callable[[], Hub]) -> None:
    """Send `first`, or the job that it leaves to be sent.

    That is one with a large output, or one whose client prefers to wait, if it ends in time.
    """
    wait = first.wait
    if wait.job_id is not None and wait.is_large and call.request.method == "GET":
        return await answer_job(wait.job_id, call, hub())
    async with AsyncExitStack() as room:
        if wait.job_id is not None and (wait.wait_s > 0 or wait.is_large):
            first = await _ended(first, wait, call, hub(), room)
        await call.reply(first)
    _told(call)
    return None


async def answer_new_job(first: AsgiResponse, call: Call, hub: Hub, waiter: Waiter) -> None:
    """Send `first`, or the new job that it names if that ends in time; `waiter` was laid before the job."""
    async with AsyncExitStack() as room:
        await call.reply(await _ended(first, first.wait, call, hub, room, waiter))
    _told(call)


def _told(call: Call) -> None:
    """Note that the end for which a call waited was sent."""
    if call.awaited is not None:
        observe_tell(call.awaited)


async def _ended(  # what a wait needs
    accepted: AsgiResponse,
    wait: WaitRequest,
    call: Call,
    hub: Hub,
    room: AsyncExitStack,
    waiter: Waiter | None = None,
) -> AsgiResponse:
    """Return an answer with the whole job; `accepted` where it has not ended, or waiting for it fails."""
    job_id = cast(UUID, wait.job_id)
    try:
        auth = StreamAuth(hub, call)
        await auth.owner(Scope.SUBMIT)
        waiting = JobWait(auth, call, hub, room)
        view = await (
            waiting.end_of(job_id, waiter, wait.wait_s) if waiter else waiting.job(job_id, wait.wait_s)
        )
    except (PlatformError, psycopg.Error) as error:
        if isinstance(error, ClientGoneError):
            raise
        log.warning("job %s was accepted, its client cannot wait for it: %s", job_id, error)
        # The job is stored: after an error the client would send it again.
        status = HTTPStatus.ACCEPTED if wait.is_large else accepted.status
        return replace(accepted, status=status, headers=_without(accepted, APPLIED.lower()))
    if view["state"] not in TERMINAL:
        return accepted
    accept = call.request.headers.get("accept", "")
    answer = await written(seen_by(auth.current, view), accept, strict=False)  # the job is stored
    own = {**answer.headers, "Content-Length": str(len(answer.body))}
    headers = [*_without(accepted, "content-length", "content-type"), *own.items()]
    return AsgiResponse(HTTPStatus.OK, headers, answer.body)


def _without(answer: AsgiResponse, *headers: str) -> Headers:
    return [(name, value) for name, value in answer.headers if name.lower() not in headers]


class JobWait:
    """One call's wait for a job of its owner."""

    def __init__(self, auth: StreamAuth, call: Call, hub: Hub, room: AsyncExitStack) -> None:
        """Prepare to wait; `room` keeps room for a large output until it is sent."""
        self._auth, self._call, self._hub, self._room = auth, call, hub, room

    async def job(self, job_id: UUID, wait_s: float) -> View:
        """Return the job, once it has ended or the time is over.

        After a wait, UnauthenticatedError where the token works no more; TooManyCallsError, ClientGoneError.
        """
        waiter = self._hub.expect(job_id)  # before the read: an end between the two is not missed
        try:
            view = await self._read(job_id)
            if view["state"] in TERMINAL or wait_s <= 0:
                return view
            return await self.end_of(job_id, waiter, wait_s)
        finally:
            self._hub.forget(job_id, waiter)

    async def end_of(self, job_id: UUID, waiter: Waiter, wait_s: float) -> View:
        """Return the job once its waiter has its end or the time is over; the errors of `job`."""
        with (
            self._auth.waiting(self._hub.waits) as revoked,
            STREAM_WAITING.labels(KIND).track_inprogress(),
        ):
            await self._until_it_ends(waiter, revoked, wait_s)
        newest = waiter.newest
        ended = newest.view if newest and not newest.lacks_output else None
        view = ended or await self._read(job_id)
        await self._auth.again()
        if view["state"] in TERMINAL:
            self._call.awaited = view
        return view

    async def _read(self, job_id: UUID) -> View:
        owner = self._auth.current
        rows = await self._hub.fetch(ONE_JOB, {"id": job_id, "client": owner.reach})
        row = only(rows)
        await self._room.enter_async_context(self._hub.outputs.room_for(owner.id, row.output_size))
        return await run(view_of, row)

    async def _until_it_ends(self, waiter: Waiter, revoked: asyncio.Future[None], wait_s: float) -> None:
        """Return when the job or its token has ended, or the time is over; ClientGoneError."""
        ended, gone = waiter.coming(), asyncio.ensure_future(self._call.gone())
        any_of_them: set[asyncio.Future[Any]] = {ended, gone, revoked}
        try:
            await asyncio.wait(any_of_them, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not ended.done():
                raise ClientGoneError
        finally:
            gone.cancel()


def _wait_s(call: Call) -> float:
    try:
        wait_s = float(call.request.query_params.get("wait", "0"))
    except ValueError:
        raise MalformedRequestError("wait: it must be a number of seconds") from None
    return bounded_wait_s(wait_s) if wait_s == wait_s else 0.0  # noqa: PLR0124  # NaN differs from itself
