"""Bearer tokens: whom a request speaks for."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security.base import AuthBase

from jobs.core.errors import UnauthenticatedError
from jobs.selectors.tokens import Owner, owner_of


class ApiRequest(HttpRequest):
    """A request whose token was accepted."""

    auth: Owner


class BearerToken(AuthBase):
    """Accept `Authorization: Bearer TOKEN`; anything else is an UnauthenticatedError."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Owner:
        """Return the owner of the request's token."""
        owner = owner_of(bearer(request.META.get("HTTP_AUTHORIZATION", "")))
        if owner is None:
            raise UnauthenticatedError("The bearer token is unknown, expired or revoked.")
        return owner


def bearer(header: str) -> str:
    """Return the token of an Authorization header's value."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError
    return token.strip()
