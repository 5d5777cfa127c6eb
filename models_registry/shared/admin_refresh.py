"""Requests by which an open page of the admin reads itself again, marked by the page's script."""

from __future__ import annotations

from django.http import HttpRequest

HEADER = "X-Page-Refresh"


def is_refresh(request: HttpRequest) -> bool:
    """Return whether no person made this request: it must neither keep a session nor count as a look."""
    return HEADER in request.headers
