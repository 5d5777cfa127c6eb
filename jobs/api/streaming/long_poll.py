"""Calls that wait for their job to end: `GET /jobs/{id}?wait=S` and `Prefer: wait=S`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from jobs.api.auth import seen_by
from jobs.api.http.asgi_call import AsgiResponse, Call, ClientGoneError, Headers
from jobs.api.prefer import bounded_wait_s
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.offload import run
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.api.streaming.waiters import Waiter
from jobs.core.access.scopes import Scope
from jobs.core.errors import JobNotFoundError, MalformedRequestError, PlatformError
from jobs.core.states import TERMINAL
from jobs.metrics import STREAM_WAITING
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ONE_JOB, View, view_of

KIND = "long_poll"
log = logging.getLogger(__name__)


async def answer_job(job_id: UUID, call: Call, hub: Hub) -> None:
    """Answer one call, or raise the error to answer with; ClientGoneError where the client is gone."""
    auth = StreamAuth(hub, call)
    owner = await auth.owner()
    view = await auth.shown(await JobWait(auth, owner, call, hub).job(job_id, _wait_s(call)))
    await auth.note_view(owner, job_id)
    await call.answer(200, msgspec.json.encode(view), {"Content-Type": "application/json"})


async def answer_once_ended(first: AsgiResponse, call: Call, hub: Callable[[], Hub]) -> None:
    """Send `first`, or, where it accepts a job whose client prefers to wait, the job if it ends in time."""
    wait = first.wait
    if wait.job_id is not None and wait.wait_s > 0:
        first = await _ended(first, wait.job_id, call, hub(), wait.wait_s)
    await call.reply(first)


async def _ended(accepted: AsgiResponse, job_id: UUID, call: Call, hub: Hub, wait_s: float) -> AsgiResponse:
    """Return an answer with the whole job; `accepted` where it has not ended, or waiting for it fails."""
    try:
        auth = StreamAuth(hub, call)
        owner = await auth.owner(Scope.SUBMIT)
        view = await JobWait(auth, owner, call, hub).job(job_id, wait_s)
    except (PlatformError, psycopg.Error) as error:
        if isinstance(error, ClientGoneError):
            raise
        log.warning("job %s was accepted, its client cannot wait for it: %s", job_id, error)
        # The job is stored: after an error the client would send it again.
        return replace(accepted, headers=_without(accepted, "preference-applied"))
    if view["state"] not in TERMINAL:
        return accepted
    body = msgspec.json.encode(seen_by(auth.current, view))
    headers = [*_without(accepted, "content-length"), ("Content-Length", str(len(body)))]
    return AsgiResponse(HTTPStatus.OK, headers, body)


def _without(answer: AsgiResponse, header: str) -> Headers:
    return [(name, value) for name, value in answer.headers if name.lower() != header]


class JobWait:
    """One call's wait for a job of its owner."""

    def __init__(self, auth: StreamAuth, owner: Owner, call: Call, hub: Hub) -> None:
        """Prepare to wait."""
        self._auth, self._owner, self._call, self._hub = auth, owner, call, hub

    async def job(self, job_id: UUID, wait_s: float) -> View:
        """Return the job, once it has ended or the time is over.

        After a wait, UnauthenticatedError where the token works no more; TooManyCallsError, ClientGoneError.
        """
        waiter = self._hub.expect(job_id)  # before the read: an end between the two is not missed
        try:
            view = await self._read(job_id)
            if view["state"] in TERMINAL or wait_s <= 0:
                return view
            with (
                self._auth.waiting(self._hub.waits) as revoked,
                STREAM_WAITING.labels(KIND).track_inprogress(),
            ):
                await self._until_it_ends(waiter, revoked, wait_s)
            ended = waiter.newest.view if waiter.newest else None
            view = ended or await self._read(job_id)
            await self._auth.again()
            return view
        finally:
            self._hub.forget(job_id, waiter)

    async def _read(self, job_id: UUID) -> View:
        rows = await self._hub.fetch(ONE_JOB, {"id": job_id, "client": self._owner.reach})
        if not rows:
            raise JobNotFoundError
        return await run(view_of, rows[0])

    async def _until_it_ends(self, waiter: Waiter, revoked: asyncio.Event, wait_s: float) -> None:
        """Return when the job or its token has ended, or the time is over; ClientGoneError."""
        ended, gone = asyncio.ensure_future(waiter.news()), asyncio.ensure_future(self._call.gone())
        no_token = asyncio.ensure_future(revoked.wait())
        any_of_them: set[asyncio.Future[Any]] = {ended, gone, no_token}
        try:
            await asyncio.wait(any_of_them, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not ended.done():
                raise ClientGoneError
        finally:
            for future in any_of_them:
                future.cancel()


def _wait_s(call: Call) -> float:
    try:
        wait_s = float(call.request.query_params.get("wait", "0"))
    except ValueError:
        raise MalformedRequestError("wait: it must be a number of seconds") from None
    return bounded_wait_s(wait_s) if wait_s == wait_s else 0.0  # noqa: PLR0124  # NaN differs from itself
