"""Calls that wait for their job to end: `GET /jobs/{id}?wait=S` and `Prefer: wait=S`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from jobs.api.auth import seen_by
from jobs.api.http.asgi_call import AsgiResponse, Call, ClientGoneError
from jobs.api.prefer import bounded_wait_s
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.offload import run
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.api.streaming.waiters import Waiter
from jobs.core.access.scopes import Scope
from jobs.core.errors import MalformedRequestError, PlatformError
from jobs.core.states import TERMINAL
from jobs.metrics import STREAM_WAITING
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ONE_JOB, View, only, view_of

KIND = "long_poll"
log = logging.getLogger(__name__)


async def answer_job(job_id: UUID, call: Call, hub: Hub) -> None:
    """Answer one call, or raise the error to answer with; ClientGoneError where the client is gone."""
    auth = StreamAuth(hub, call)
    owner = await auth.owner()
    view = await auth.shown(await _job(job_id, owner, call, hub, _wait_s(call)))
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
        owner = await StreamAuth(hub, call).owner(Scope.SUBMIT)
        view = await _job(job_id, owner, call, hub, wait_s)
    except (PlatformError, psycopg.Error) as error:
        if isinstance(error, ClientGoneError):
            raise
        log.warning("job %s was accepted, its client cannot wait for it: %s", job_id, error)
        return accepted  # the job is stored: after an error the client would send it again
    if view["state"] not in TERMINAL:
        return accepted
    body = msgspec.json.encode(seen_by(owner, view))
    headers = [(name, value) for name, value in accepted.headers if name.lower() != "content-length"]
    return AsgiResponse(HTTPStatus.OK, [*headers, ("Content-Length", str(len(body)))], body)


async def _job(job_id: UUID, owner: Owner, call: Call, hub: Hub, wait_s: float) -> View:
    """Return a job of `owner`, once it has ended or the time is over."""
    waiter = hub.expect(job_id)  # before the read: an end between the two is not missed
    try:
        view = await _read(job_id, owner, hub)
        if view["state"] in TERMINAL or wait_s <= 0:
            return view
        with STREAM_WAITING.labels(KIND).track_inprogress():
            await _wait(waiter, call, wait_s)
        ended = waiter.newest.view if waiter.newest else None
        return ended or await _read(job_id, owner, hub)
    finally:
        hub.forget(job_id, waiter)


async def _read(job_id: UUID, owner: Owner, hub: Hub) -> View:
    rows = await hub.fetch(ONE_JOB, {"id": job_id, "client": owner.reach})
    return await run(view_of, only(rows))


async def _wait(waiter: Waiter, call: Call, wait_s: float) -> None:
    """Return when the job has ended or the time is over; ClientGoneError where the client leaves first."""
    ended, gone = asyncio.ensure_future(waiter.news()), asyncio.ensure_future(call.gone())
    either: set[asyncio.Future[Any]] = {ended, gone}
    try:
        await asyncio.wait(either, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not ended.done():
            raise ClientGoneError
    finally:
        ended.cancel()
        gone.cancel()


def _wait_s(call: Call) -> float:
    try:
        wait_s = float(call.request.query_params.get("wait", "0"))
    except ValueError:
        raise MalformedRequestError("wait: it must be a number of seconds") from None
    return bounded_wait_s(wait_s) if wait_s == wait_s else 0.0  # noqa: PLR0124  # NaN differs from itself
