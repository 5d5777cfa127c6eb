"""How many wrong passwords an address may send, in addition to the limit for a name and an address.

django-axes has one limit for all its combinations; an address tries many names, so it needs a larger one.
"""

from __future__ import annotations

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone

from jobs.api.http.client_address import network_of
from jobs.api.http.origin import address_of

MOST_OF_AN_ADDRESS = 30


class LoginLockout(AxesDatabaseHandler):
    """Locks out a name at an address, and an address."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the failures that count towards AXES_FAILURE_LIMIT."""
        if _failures_of(address_of_login(request)) >= MOST_OF_AN_ADDRESS:
            return int(settings.AXES_FAILURE_LIMIT)
        return int(super().get_failures(request, credentials))


def address_of_login(request: HttpRequest) -> str | None:
    """Return the address that a login is counted under, from the proxies that are trusted."""
    return network_of(address_of(request))


def _failures_of(address: str | None) -> int:
    recent = timezone.now() - settings.AXES_COOLOFF_TIME
    attempts = AccessAttempt.objects.filter(ip_address=address, attempt_time__gte=recent)
    return int(attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0)
