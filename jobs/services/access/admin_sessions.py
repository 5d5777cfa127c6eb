"""Whether sessions of the admin still hold: all that watch are looked at by a few statements together.

A session ends twelve hours after its login and after an hour without a request; Django's own age counts from
a session's last change, so that a used one would never end. A page that watches makes no requests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from time import time
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

BEGAN, SEEN = "began_at", "seen_at"
IDLE_S = 3_600
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"  # the one that knows rights


class SessionEnd(StrEnum):
    """Why a session may watch no longer."""

    SIGNED_OUT = "signed_out"
    FORBIDDEN = "forbidden"


def is_over(session: Mapping[str, Any], now: float) -> bool:
    """Return whether a session's time is over; `now` in seconds since 1970."""
    began, seen = session.get(BEGAN, now), session.get(SEEN, now)
    return bool(now - began >= settings.SESSION_COOKIE_AGE or now - seen >= IDLE_S)


def ended_sessions(keys: Collection[str], permission: str) -> dict[str, SessionEnd]:
    """Return those of the sessions that have ended, or whose user is no staff with `permission`."""
    kept = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    sessions: dict[str, dict[str, Any]] = {row.session_key: row.get_decoded() for row in kept}
    of_user = {key: int(data[SESSION_KEY]) for key, data in sessions.items() if SESSION_KEY in data}
    users = User.objects.in_bulk({*of_user.values()})
    allowed = User.objects.with_perm(permission, backend=MODEL_BACKEND)
    may = set(allowed.filter(pk__in=users, is_staff=True).values_list("pk", flat=True))
    devices = _devices(users)
    ends = {}
    for key in keys:
        user = users.get(of_user.get(key, 0))
        if user is None or not _holds(sessions[key], user, devices.get(user.pk, set())):
            ends[key] = SessionEnd.SIGNED_OUT
        elif user.pk not in may:
            ends[key] = SessionEnd.FORBIDDEN
    return ends


def _holds(session: Mapping[str, Any], user: User, devices: Collection[str]) -> bool:
    """Return whether the session is the user's, in time, and verified where a second factor is needed."""
    if is_over(session, time()) or not user.is_active or BACKEND_SESSION_KEY not in session:
        return False
    given = session.get(HASH_SESSION_KEY, "")
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    if not any(constant_time_compare(given, hashed) for hashed in hashes):
        return False
    needs_code = settings.INFERENCE.admin_two_factor or bool(devices)
    return not needs_code or session.get(DEVICE_ID_SESSION_KEY) in devices


def _devices(users: Collection[int]) -> dict[int, set[str]]:
    """Return the second factors of each user, by the ids that sessions hold."""
    devices: dict[int, set[str]] = {}
    for kind in (TOTPDevice, StaticDevice):
        for device in kind.objects.filter(user_id__in=users, confirmed=True):
            devices.setdefault(device.user_id, set()).add(device.persistent_id)
    return devices
