"""The headers that tell a client what remains of its quotas, on each call that uses them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpResponse

from jobs.api.auth import ApiRequest
from jobs.api.problems import respond
from jobs.core.errors import PlatformError
from jobs.services.admission.quotas import quota_headers


def within_limits(call: Callable[[ApiRequest], HttpResponse]) -> Callable[[ApiRequest], HttpResponse]:
    """Add the quota headers to a call's answers and refusals, for clients with quotas."""

    @wraps(call)
    def with_headers(request: ApiRequest) -> HttpResponse:
        if not request.auth.quota.limits:
            return call(request)
        try:
            answer = call(request)
        except PlatformError as error:
            answer = respond(error)
        for name, value in quota_headers(request.auth).items():
            answer.headers[name] = value
        return answer

    return with_headers
