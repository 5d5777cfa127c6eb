"""`GET /jobs/{id}?wait=S`: the job, once it has ended or the seconds are over."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import msgspec

from jobs.api.asgi import Call, ClientGoneError
from jobs.api.far import made
from jobs.api.gate import Gate
from jobs.api.hub import Hub
from jobs.api.inbox import Inbox
from jobs.api.wait import bounded_wait_s
from jobs.core.errors import JobNotFoundError, MalformedRequestError
from jobs.core.states import TERMINAL
from jobs.metrics import STREAM_WAITING
from jobs.selectors.tokens import Owner
from jobs.selectors.views import ONE, View, view_of

KIND = "long_poll"


async def answer_job(job_id: UUID, call: Call, hub: Hub) -> None:
    """Answer one call, or raise what is to be told instead; ClientGoneError where nobody is left."""
    gate = Gate(hub, call)
    owner = await gate.owner()
    view = await gate.shown(await _job(job_id, owner, call, hub))
    await gate.note_view(owner, job_id)
    await call.answer(200, msgspec.json.encode(view), {"Content-Type": "application/json"})


async def _job(job_id: UUID, owner: Owner, call: Call, hub: Hub) -> View:
    """Return a job of `owner`, once it has ended or the time is over."""
    wait_s = _asked_wait_s(call)
    inbox = hub.expect(job_id)  # before the read: an end between the two is not missed
    try:
        view = await _read(job_id, owner, hub)
        if view["state"] in TERMINAL or wait_s <= 0:
            return view
        with STREAM_WAITING.labels(KIND).track_inprogress():
            await _first(inbox, call, wait_s)
        ended = inbox.newest.view if inbox.newest else None
        return ended or await _read(job_id, owner, hub)
    finally:
        hub.forget(job_id, inbox)


async def _read(job_id: UUID, owner: Owner, hub: Hub) -> View:
    rows = await hub.fetch(ONE, {"id": job_id, "client": owner.reach})
    if not rows:
        raise JobNotFoundError
    return await made(view_of, rows[0])


async def _first(inbox: Inbox, call: Call, wait_s: float) -> None:
    """Return when the job has ended or the time is over; ClientGoneError when the client is gone before."""
    ended, gone = asyncio.ensure_future(inbox.news()), asyncio.ensure_future(call.gone())
    either: set[asyncio.Future[Any]] = {ended, gone}
    try:
        await asyncio.wait(either, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not ended.done():
            raise ClientGoneError
    finally:
        ended.cancel()
        gone.cancel()


def _asked_wait_s(call: Call) -> float:
    try:
        wait_s = float(call.parameter("wait", "0"))
    except ValueError:
        raise MalformedRequestError("wait: it must be a number of seconds") from None
    return bounded_wait_s(wait_s) if wait_s == wait_s else 0.0  # noqa: PLR0124  # NaN differs from itself
