"""Bearer tokens: authenticate a request and check the scopes of its token."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase

from jobs.api.access_log import call_record
from jobs.core.access.scopes import Scope
from jobs.core.errors import ForbiddenError, UnauthenticatedError
from jobs.services.access.owner import Owner, owner_of, token_digest
from jobs.services.access.refusals import RefusalReason, count_refusal
from jobs.services.access.request_origin import origin, with_token
from jobs.services.reads.job_views import View

PAYLOAD = ("output", "error")


class ApiRequest(HttpRequest):
    """A request whose token was accepted."""

    auth: Owner


class BearerToken(AuthBase):
    """Accept `Authorization: Bearer TOKEN`; anything else is an UnauthenticatedError."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: Scope | None = None) -> None:
        """Accept tokens with `scope`; any valid token where that is None."""
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Owner:
        """Return the owner of the request's token; ForbiddenError where it lacks the scope."""
        digest = presented_digest(request.META.get("HTTP_AUTHORIZATION", ""))
        owner = authenticated(owner_of(digest), address=origin().address)
        with_token(owner.token)
        call_record().client = owner.id
        if self.scope is not None:
            check_scope(owner, self.scope)
        return owner


def needs(scope: Scope, **documented: Any) -> dict[str, Any]:
    """Return the declaration of a call that needs `scope`, which its description names as `x-scope`."""
    return {"auth": BearerToken(scope), "openapi_extra": {"x-scope": scope.value, **documented}}


def check_scope(owner: Owner, scope: Scope) -> None:
    """Refuse a token without `scope`: ForbiddenError, which names the scope.

    It is raised before any job is read, so the answer does not reveal whether a job exists.
    """
    if not owner.may(scope):
        raise ForbiddenError(f"The token lacks the scope `{scope}`.", scope=scope.value)


def seen_by(owner: Owner, view: View) -> View:
    """Return a job's view as the token may see it: without the scope `read`, no metadata, output or error."""
    if owner.may(Scope.READ):
        return view
    shown = {name: value for name, value in view.items() if name not in PAYLOAD}
    return shown | {"metadata": None} if "metadata" in shown else shown


def presented_digest(header: str) -> bytes:
    """Return the digest of the token in an Authorization header; UnauthenticatedError without one."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError
    return token_digest(token.strip())


def authenticated(owner: Owner | None, *, address: str | None) -> Owner:
    """Return the owner that was looked up for a token; count a refusal and raise where there is none.

    UnauthenticatedError.
    """
    if owner is None:
        count_refusal(address, RefusalReason.TOKEN)
        raise UnauthenticatedError("The bearer token is unknown, expired or revoked.")
    return owner
