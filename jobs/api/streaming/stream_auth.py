"""Authentication of calls on the event loop; `auth` does the same on threads."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async

from jobs.api.auth import bearer, check_scope
from jobs.api.http.asgi_call import Call
from jobs.api.streaming.hub import Hub
from jobs.core.access.scopes import Scope
from jobs.core.errors import UnauthenticatedError
from jobs.services.access.audit import NOTE_VIEW, view_params
from jobs.services.access.owner import TOKEN_BY_DIGEST, Owner, cache_owner, cached_owner, token_digest
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
        digest = token_digest(bearer(self._call.headers.get(b"authorization", "")))
        is_cached, owner = cached_owner(digest)
        if not is_cached:
            owner = cache_owner(digest, await self._hub.fetch(TOKEN_BY_DIGEST, {"digest": digest}))
        if owner is None:
            raise UnauthenticatedError("The bearer token is unknown, expired or revoked.")
        check_scope(owner, scope)
        self._owner = owner
        return owner

    async def shown(self, view: View) -> View:
        """Return a job's view as the call's owner may see it."""
        if self._owner is None or self._owner.reach is not None:
            return view
        return await sync_to_async(view_for)(self._owner, view)

    async def note_view(self, owner: Owner, job_id: UUID) -> None:
        """Append an Event where an admin's token is shown another client's job."""
        if owner.reach is None:
            await self._hub.fetch(NOTE_VIEW, view_params(owner, job_id, self._call.address))
