"""Note where each request comes from, before anything is done for it; the audit writes it down."""

from __future__ import annotations

from collections.abc import Awaitable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from jobs.api.middleware import Next
from jobs.core.addresses import client_address
from jobs.services.origin import coming_from


class OriginMiddleware:
    """Stands first: of the API and of the admin."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Next) -> None:
        """Stand before `get_response`, sync or async as it is."""
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Pass the request on, with its client's address at hand."""
        if self.is_async:
            return self._answer(request)
        with coming_from(address_of(request)):
            return self.get_response(request)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        with coming_from(address_of(request)):
            answer = self.get_response(request)
            return answer if isinstance(answer, HttpResponse) else await answer


def address_of(request: HttpRequest) -> str | None:
    """Return the address of a request's client."""
    meta, hops = request.META, settings.INFERENCE.trusted_proxy_hops
    return client_address(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), hops=hops)
