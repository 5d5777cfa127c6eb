"""Authentication of calls on the event loop: the rules of `auth`, with reads that hold no thread."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async

from jobs.api.auth import authenticated, check_scope, presented_digest
from jobs.api.http.asgi_call import Call
from jobs.api.streaming.hub import Hub
from jobs.core.access.scopes import Scope
from jobs.services.access.audit import NOTE_VIEW, view_params
from jobs.services.access.owner import TOKEN_BY_DIGEST, Owner, cache_owner, cached_owner
from jobs.services.reads.job_views import View
from jobs.services.reads.payloads import view_for


class StreamAuth:
    """Authenticates one call."""

    def __init__(self, hub: Hub, call: Call) -> None:
        """Prepare to read through `hub`."""
        self._hub, self._call = hub, call
        self._owner: Owner | None = None

    async def owner(self, scope: Scope = Scope.READ) -> Owner:
        """Return the owner of the call's token; UnauthenticatedError, or ForbiddenError without `scope`."""
        digest = presented_digest(self._call.request.headers.get("authorization", ""))
        is_cached, owner = cached_owner(digest)
        if not is_cached:
            owner = cache_owner(digest, await self._hub.fetch(TOKEN_BY_DIGEST, {"digest": digest}))
        self._owner = authenticated(owner, address=self._call.address)
        check_scope(self._owner, scope)
        return self._owner

    async def shown(self, view: View) -> View:
        """Return a job's view as the call's owner may see it."""
        if self._owner is None or self._owner.reach is not None:
            return view
        return await sync_to_async(view_for)(self._owner, view)

    async def note_view(self, owner: Owner, job_id: UUID) -> None:
        """Append an Event where an admin's token is shown another client's job."""
        if owner.reach is None:
            await self._hub.fetch(NOTE_VIEW, view_params(owner, job_id, self._call.address))
