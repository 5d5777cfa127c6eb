"""Authentication of calls on the event loop: the rules of `auth`, with reads that hold no thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from uuid import UUID

from asgiref.sync import sync_to_async

from jobs.api.auth import authenticated, check_scope, presented_digest
from jobs.api.http.asgi_call import Call
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.open_calls import OpenCalls
from jobs.api.streaming.token_watch import Ended
from jobs.core.access.scopes import Scope
from jobs.core.errors import ForbiddenError
from jobs.services.access.audit import NOTE_VIEW, view_params
from jobs.services.access.owner import TOKEN_BY_DIGEST, Owner, cache_owner, cached_owner
from jobs.services.reads.job_views import View
from jobs.services.reads.payloads import view_for


class StreamAuth:
    """Authenticates one call, when it begins and again before it is answered."""

    def __init__(self, hub: Hub, call: Call) -> None:
        """Prepare to read through `hub`."""
        self._hub, self._call = hub, call
        self._owner: Owner | None = None
        self._scope = Scope.READ

    async def owner(self, scope: Scope = Scope.READ) -> Owner:
        """Return the owner of the call's token; UnauthenticatedError, or ForbiddenError without `scope`."""
        self._scope, digest = scope, self._digest
        is_cached, owner = cached_owner(digest)
        if not is_cached:
            owner = cache_owner(digest, await self._hub.fetch(TOKEN_BY_DIGEST, {"digest": digest}))
        return self._accepted(owner)

    async def again(self) -> None:
        """Check the token as it is now, because the call has waited; the errors of `owner`.

        ForbiddenError where it may touch fewer jobs than before.
        """
        before = self._owner
        owner = self._accepted(await self._hub.tokens.read(self._digest))
        if before is not None and owner.reach not in {before.reach, None}:
            raise ForbiddenError

    @property
    def current(self) -> Owner:
        """Return the owner as the last check found it; UnauthenticatedError before the first."""
        return authenticated(self._owner, address=self._call.address)

    @contextmanager
    def waiting(self, among: OpenCalls) -> Iterator[Ended]:
        """Count the call `among` its client's; yield the future that its token works no more."""
        with among.one_more(self.current.id), self._hub.tokens.watch(self._digest) as ended:
            yield ended

    @cached_property
    def _digest(self) -> bytes:
        return presented_digest(self._call.request.headers.get("authorization", ""))

    def _accepted(self, owner: Owner | None) -> Owner:
        accepted = authenticated(owner, address=self._call.address)
        check_scope(accepted, self._scope)
        self._owner = accepted
        self._call.record.client = accepted.id
        return accepted

    async def shown(self, view: View) -> View:
        """Return a job's view as the call's owner may see it."""
        if self._owner is None or self._owner.reach is not None:
            return view
        return await sync_to_async(view_for)(self._owner, view)

    async def note_view(self, owner: Owner, job_id: UUID) -> None:
        """Append an Event where an admin's token is shown another client's job."""
        if owner.reach is None:
            await self._hub.fetch(NOTE_VIEW, view_params(owner, job_id, self._call.address))
