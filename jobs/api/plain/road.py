"""Answers plain submits on the event loop; any other call goes Django's road, from its beginning.

Plain is a small JSON body of a client without quotas, for a model whose jobs share no results, name no
people and are not encrypted, without files and without a callback. Each step is the one of Django's road,
and reads the process's caches. A step that would have to ask the database raises Django's own error here,
before it has changed anything, so that the call goes the other road.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from django.http import HttpResponse

from jobs import tracing
from jobs.api.auth import authenticated, check_scope, presented_digest, seen_by
from jobs.api.http.asgi_call import AsgiResponse, Call, ClientGoneError
from jobs.api.http.middleware import complete
from jobs.api.http.multipart import FORM
from jobs.api.http.request_stream import Inflow
from jobs.api.plain.renewals import Renewals
from jobs.api.prefer import APPLIED, WaitRequest, applied, bounded_wait_s, preferred_wait_s
from jobs.api.problems import respond
from jobs.api.responses import accepted, acknowledgement
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.long_poll import answer_new_job, answer_once_ended
from jobs.api.streaming.waiters import Waiter
from jobs.core.access.scopes import Scope
from jobs.core.errors import PlatformError
from jobs.core.states import TERMINAL
from jobs.core.submission.request import JobRequest, parse_request, with_call_key
from jobs.db.loop_session import LoopSession
from jobs.services.access.owner import Owner, cached_owner
from jobs.services.circuits.operate import answering
from jobs.services.submission import traced_jobs
from jobs.services.submission.gathering import Gathering
from jobs.services.submission.new_job import NewJob
from jobs.services.submission.plain_jobs import Outcomes, PlainJob, is_plain, store_plain
from jobs.services.submission.submit import place_job
from jobs.services.submission.submit_counts import count_group, observe_admit
from jobs.services.submission.submitted import Submitted
from models_registry.core.routing.decision import CompiledRule
from models_registry.core.version import VersionInfo
from models_registry.selectors import routed

Given = TypeVar("Given")
Result = TypeVar("Result")
MOST_BYTES = 16_384  # of a body: what is done with more takes too long for the event loop


class PlainRoad:
    """The road of one event loop."""

    def __init__(self, hub: Callable[[], Hub]) -> None:
        """Prepare to wait by `hub`."""
        self._hub, self._renewals = hub, Renewals(self._on_reader)
        # A thread of its own, because slow calls of Django's road may hold all of the others.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="renewals")
        self._session = LoopSession("plain-submits")
        self._gathering = Gathering(self._store)

    async def answers(self, call: Call, inflow: Inflow) -> bool:
        """Answer a call whose body has arrived; False, with nothing changed, for one of Django's road."""
        if not _may_be_plain(call, inflow):
            return False
        ends_at: datetime | None = None
        try:
            owner = await self._owner(call)
            if owner is None:
                return False
            ends_at = owner.expires_at
            new = await self._placed(owner, call, inflow)
            return new is not None and await self._stored(
                PlainJob(owner, new, call.address, call.request_id), call, inflow
            )
        except ClientGoneError:
            raise
        except PlatformError as error:
            await call.reply(_complete(respond(error), ends_at))
            return True

    async def close(self) -> None:
        """Close the connections."""
        await self._on_reader(lambda _: connections.close_all(), None)
        self._reader.shutdown()
        await self._session.close()

    async def _on_reader(self, function: Callable[[Given], Result], value: Given) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, function, value)

    async def _owner(self, call: Call) -> Owner | None:
        """Return the owner of a call's token; None where it cannot be read now, or has quotas.

        UnauthenticatedError, ForbiddenError.
        """
        digest = presented_digest(call.header("authorization") or "")
        await self._renewals.of_token(digest)
        is_cached, cached = cached_owner(digest)
        if not is_cached:
            return None
        owner = authenticated(cached, address=call.address)
        call.record.client = owner.id
        check_scope(owner, Scope.SUBMIT)
        return None if owner.quota.limits else owner

    async def _placed(self, owner: Owner, call: Call, inflow: Inflow) -> NewJob | None:
        """Return the job of a call, ready to be stored; None where it is not plain. A PlatformError."""
        request = with_call_key(parse_request(inflow.file.read()), call.header("idempotency-key"))
        if request.callback_url is not None:
            return None
        await self._renewals.of_model(request.model)
        try:
            new = place_job(owner=owner, request=request) if _runs_plainly(owner, request) else None
        except SynchronousOnlyOperation:  # something was to be read after all
            return None
        return new if new is not None and is_plain(new) else None

    async def _stored(self, job: PlainJob, call: Call, inflow: Inflow) -> bool:
        """Store a job and answer its call; False where an earlier job of its key has ended already."""
        preferred_s = preferred_wait_s(call.header("prefer") or "")
        wait_s = bounded_wait_s(preferred_s or 0)
        async with AsyncExitStack() as laid:
            waiter = await self._lay(job.new.id, laid) if wait_s else None
            submitted = await self._gathering.stored(job)
            if submitted.created:
                observe_admit(submitted.model, 1, began_s=call.began_s)
            if tracing.on:
                traced_jobs.stored([submitted])
            call.record.job = submitted.id
            has_ended = submitted.state in TERMINAL
            if has_ended and not submitted.created:
                return False
            inflow.close()
            # A new job that has ended was found by a repeated statement: Django's road would store another.
            wait = WaitRequest(submitted.id, wait_s, is_large=has_ended)
            first = replace(_first(job.owner, submitted, call, preferred_s), wait=wait)
            if waiter is not None and submitted.created and not has_ended:
                await answer_new_job(first, call, self._hub(), waiter)
            else:
                await answer_once_ended(first, call, self._hub)
        return True

    async def _lay(self, job_id: UUID, laid: AsyncExitStack) -> Waiter:
        """Return a waiter for a job that is not stored yet, so that its end cannot be missed."""
        hub = self._hub()
        await hub.start()
        waiter = hub.expect(job_id)
        laid.callback(hub.forget, job_id, waiter)
        return waiter

    async def _store(self, jobs: Sequence[PlainJob]) -> Outcomes:
        outcomes = await self._session.once_more(lambda session: store_plain(session, jobs))
        count_group((job.owner, outcomes[job.new.id]) for job in jobs)
        return outcomes


def _may_be_plain(call: Call, inflow: Inflow) -> bool:
    kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
    most = min(MOST_BYTES, settings.INFERENCE.claim_check_bytes)
    return inflow.size <= most and kind != FORM and call.header("content-encoding") is None


def _runs_plainly(owner: Owner, request: JobRequest) -> bool:
    """Return whether each version that may run a job leaves it plain; also where it will be refused."""
    try:
        named = routed(request.model)
        versions = named.versions if isinstance(named, CompiledRule) else (named,)
        return all(_is_plain_at(answering(version, client=owner.id), request) for version in versions)
    except PlatformError:
        return True


def _is_plain_at(version: VersionInfo, request: JobRequest) -> bool:
    shares = version.platform_options.shares_runs and request.cache != "bypass"
    labelled = request.metadata and version.metadata_index
    return not (shares or labelled or version.subject_marks or version.secrecy.guarded)


def _first(owner: Owner, job: Submitted, call: Call, preferred_s: int | None) -> AsgiResponse:
    answer = accepted(seen_by(owner, acknowledgement(job)), call.header("accept") or "")
    if preferred_s is not None:
        answer.headers[APPLIED] = applied(preferred_s)
    return _complete(answer, owner.expires_at)


def _complete(answer: HttpResponse, ends_at: datetime | None) -> AsgiResponse:
    answer = complete(answer, ends_at)
    return AsgiResponse(answer.status_code, list(answer.headers.items()), answer.content)
