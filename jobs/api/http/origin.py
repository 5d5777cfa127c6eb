"""First of all, record the address of each request's client for the audit, its route for the access log."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from jobs.api.access_log import STATIC, UNMATCHED, call_record, template_of
from jobs.api.http.client_address import client_address
from jobs.api.http.counted_calls import note_route
from jobs.api.http.middleware import Next
from jobs.services.access.request_origin import coming_from

BEGAN = "inference.began_s"  # the key in the WSGI environment of when the call began, in monotonic seconds


class OriginMiddleware:
    """The first middleware, before the API and the admin."""

    def __init__(self, get_response: Next) -> None:
        """Prepare to pass requests to `get_response`."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on, with its origin set."""
        with coming_from(address_of(request), began_s=request.META.get(BEGAN)):
            answer = self.get_response(request)
        note_route(request)
        record, match = call_record(), request.resolver_match
        if match is not None:
            record.route = template_of(match.route)
            record.job = record.job or match.kwargs.get("job_id")
        else:
            is_static = request.path_info.startswith(settings.STATIC_URL)
            record.route = STATIC if is_static else UNMATCHED
        return answer


def address_of(request: HttpRequest) -> str | None:
    """Return the address of a request's client."""
    meta, hops = request.META, settings.INFERENCE.trusted_proxy_hops
    return client_address(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), hops=hops)
