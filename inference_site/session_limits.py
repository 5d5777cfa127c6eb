"""Ends the admin's sessions that are over, and notes that a person used the others.

A page that reads itself again is no request of a person: left open, it would keep its session until the
twelve hours.
"""

from __future__ import annotations

from time import time

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

from jobs.api.http.middleware import Next
from jobs.services.access.admin_sessions import BEGAN, SEEN, is_over
from models_registry.shared.admin_refresh import is_refresh

NOTED_EVERY_S = 60  # so that not every page writes its session


class SessionLimitsMiddleware:
    """Ends sessions that are over; after the middleware that knows the user."""

    def __init__(self, get_response: Next) -> None:
        """Prepare to pass requests to `get_response`."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on, logged out if its session is over."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            _keep_or_end(request, time())
        return self.get_response(request)


def _keep_or_end(request: HttpRequest, now: float) -> None:
    session = request.session
    if is_over(session, now):
        logout(request)
    elif SEEN not in session or (now - session[SEEN] >= NOTED_EVERY_S and not is_refresh(request)):
        session[BEGAN], session[SEEN] = session.get(BEGAN, now), now
