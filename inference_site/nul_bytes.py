"""Refuses addresses with a NUL byte, which no text of the database can hold.

Menus and links of the admin put parts of an address into statements: each would have to look by itself.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

from jobs.api.http.middleware import Next


class NulBytesMiddleware:
    """Answers 400 where a path or a query string holds a NUL byte; the API reads its own addresses."""

    def __init__(self, get_response: Next) -> None:
        """Prepare to pass requests to `get_response`."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on, unless its address cannot be looked up."""
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path_info:
            return HttpResponseBadRequest("The address holds a NUL byte (%00).", content_type="text/plain")
        return self.get_response(request)
