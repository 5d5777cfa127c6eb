"""Who may see a job, asked on the event loop; on threads `auth` asks the same."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async

from jobs.api.auth import bearer, check_scope
from jobs.api.http.asgi_call import Call
from jobs.api.streaming.hub import Hub
from jobs.core.access.scopes import Scope
from jobs.core.errors import UnauthenticatedError
from jobs.services.access.audit import VIEWED, viewed
from jobs.services.access.owner import FIND, Owner, keep_owner, kept_owner, token_digest
from jobs.services.reads.job_views import View
from jobs.services.reads.payloads import view_for


class StreamAuth:
    """Admits one call."""

    def __init__(self, hub: Hub, call: Call) -> None:
        """Prepare to ask through `hub`."""
        self._hub, self._call = hub, call
        self._owner: Owner | None = None

    async def owner(self, scope: Scope = Scope.READ) -> Owner:
        """Return whom the token stands for; UnauthenticatedError, or ForbiddenError without `scope`."""
        key = token_digest(bearer(self._call.headers.get(b"authorization", "")))
        known, owner = kept_owner(key)
        if not known:
            owner = keep_owner(key, await self._hub.fetch(FIND, (key,)))
        if owner is None:
            raise UnauthenticatedError("The bearer token is unknown, expired or revoked.")
        check_scope(owner, scope)
        self._owner = owner
        return owner

    async def shown(self, view: View) -> View:
        """Return a job's view as the call's owner may have it."""
        if self._owner is None or self._owner.reach is not None:
            return view
        return await sync_to_async(view_for)(self._owner, view)

    async def note_view(self, owner: Owner, job_id: UUID) -> None:
        """Write down that an admin's token is shown another client's job."""
        if owner.reach is None:
            await self._hub.fetch(VIEWED, viewed(owner, job_id, self._call.address))
