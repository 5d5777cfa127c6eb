"""Answers an open page that reads itself again with 304 where nothing on it has changed."""

from __future__ import annotations

import re
from hashlib import sha256

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag

from jobs.api.http.middleware import Next
from models_registry.shared.admin_refresh import is_refresh

# What differs in each answer although the page is the same: masked tokens of forms, and ages, which the
# page's script counts itself.
_PASSING = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"|<span class="age">[^<]*</span>')


class PageRefreshMiddleware:
    """Gives the answer to such a request a tag of its content, and sends no content that the page has."""

    def __init__(self, get_response: Next) -> None:
        """Prepare to pass requests to `get_response`."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on, and compare the tags."""
        response = self.get_response(request)
        is_page = response.status_code == 200 and not response.streaming  # noqa: PLR2004  # OK
        if not (is_refresh(request) and is_page):
            return response
        tag = quote_etag(_tag(response))
        response.headers["ETag"] = tag
        return get_conditional_response(request, etag=tag, response=response) or response


def _tag(response: HttpResponse) -> str:
    return sha256(_PASSING.sub(b"", response.content)).hexdigest()[:32]
