"""Who may send which body, decided by the headers alone, before a byte of the body is read."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Protocol, TypeVar

from django.conf import settings
from django.contrib.auth import get_user
from django.db import close_old_connections
from django.http import HttpRequest

from jobs.api.auth import authenticated, check_scope, presented_digest
from jobs.api.http.asgi_call import Call
from jobs.api.http.body import check_encoding
from jobs.api.http.body_limits import SMALL_BYTES, BodyLimit, limit_of
from jobs.api.http.body_room import BodyRoom, Share, Shares
from jobs.api.http.request_stream import Inflow
from jobs.core.access.scopes import Scope
from jobs.core.errors import BodyTooLargeError, SlowBodyError
from jobs.services.access.owner import Owner, cached_owner, owner_of

MOST_LINGERING = 16
BODY_PARTS = (0.25, 0.5)  # of the room for bodies: a client's, and an address's
Given = TypeVar("Given")
Result = TypeVar("Result")


class OnThread(Protocol):
    """Calls a function on a thread."""

    async def __call__(self, function: Callable[[Given], Result], value: Given, /) -> Result: ...  # noqa: D102


class Doorkeeper:
    """Lets the bodies of one process in, and sees those off that it refused."""

    def __init__(self, on_thread: OnThread) -> None:
        """Prepare to look tokens and sessions up by `on_thread`."""
        self._on_thread = on_thread
        config = settings.INFERENCE
        self.room = BodyRoom(most=config.open_bodies, most_bytes=config.open_body_bytes)
        self._lingering = 0

    async def receive(self, call: Call, inflow: Inflow) -> None:
        """Receive the body of a call completely.

        BodyTooLargeError, EncodedBodyError, SlowBodyError, TooManyCallsError, UnavailableError; the errors of
        a call's token.
        """
        if inflow.complete:
            return
        limit, most = limit_of(call), SMALL_BYTES
        if limit.scope is not None:
            _recognise(call, inflow)
        if limit.named or inflow.announced is None or inflow.announced > SMALL_BYTES:
            most = await self._most_for_this_sender(call, inflow, limit)
            check_encoding(call.request.headers.get("content-encoding", ""))
        most = min(most, limit.most)
        if (inflow.announced or 0) > most:
            raise BodyTooLargeError(f"the body is larger than {most} bytes")
        brief = inflow.announced is not None and inflow.announced <= SMALL_BYTES
        visit = self.room.enter(_shares(call, inflow), inflow.announced or 0, brief=brief)
        await inflow.gather(most, self.room, visit)

    async def see_off(self, inflow: Inflow, error: Exception) -> None:
        """Let the client of a refused body read why, as long as not too many linger so."""
        if isinstance(error, SlowBodyError) or self._lingering >= MOST_LINGERING:
            return
        self._lingering += 1
        try:
            await inflow.linger()
        finally:
            self._lingering -= 1

    async def _most_for_this_sender(self, call: Call, inflow: Inflow, limit: BodyLimit) -> int:
        """Return how many bytes a sender may send; UnauthenticatedError or ForbiddenError."""
        if limit.scope is not None:
            inflow.client = call.record.client = (await self._owner(call, limit.scope)).id
            return limit.most
        if limit.staff and await self._on_thread(is_staff, call.request.headers.get("cookie", "")):
            return limit.most
        return SMALL_BYTES

    async def _owner(self, call: Call, scope: Scope) -> Owner:
        digest = _digest(call)
        is_cached, owner = cached_owner(digest)
        if not is_cached:
            owner = await self._on_thread(_look_up, digest)
        owner = authenticated(owner, address=call.address)
        check_scope(owner, scope)
        return owner


def shares_of(call: Call, inflow: Inflow, parts: tuple[float, float]) -> Shares:
    """Return whose shares a call takes from, its client's and its address's, with the `parts` of these."""
    address = Share(f"address {call.address}", parts[1])
    return (address,) if inflow.client is None else (Share(f"client {inflow.client}", parts[0]), address)


def is_staff(cookies: str) -> bool:
    """Return whether a Cookie header holds the session of a member of the staff, as the admin takes it."""
    close_old_connections()
    try:
        key = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return False
    if key is None:
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key.value)
    user = get_user(request)
    return user.is_active and getattr(user, "is_staff", False)


def _recognise(call: Call, inflow: Inflow) -> None:
    """Note whose call it is, where that costs nothing; UnauthenticatedError without a token that may work."""
    is_cached, owner = cached_owner(_digest(call))
    if is_cached:
        inflow.client = call.record.client = authenticated(owner, address=call.address).id


def _digest(call: Call) -> bytes:
    return presented_digest(call.request.headers.get("authorization", ""))


def _shares(call: Call, inflow: Inflow) -> Shares:
    if inflow.client is None:  # a share of its own, so that unknown senders drive out no known ones
        return (Share(f"unknown at {call.address}", BODY_PARTS[0]),)
    return shares_of(call, inflow, BODY_PARTS)


def _look_up(digest: bytes) -> Owner | None:
    close_old_connections()
    return owner_of(digest)
