"""The second factor of the admin's users: an authenticator's code, or a recovery code that works once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django_otp import user_has_device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from jobs.core.access.audit_kinds import AuditKind
from jobs.services.access.audit import note

DIGITS = 6
RECOVERY_CODES = 10


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a user needs to make codes; shown once."""

    uri: str
    recovery_codes: list[str]


def is_needed(user: Any) -> bool:
    """Return whether a user's login needs a code: where the setting asks everybody, or the user has one."""
    return bool(settings.INFERENCE.admin_two_factor or user_has_device(user))


def verified_device(user: Any, code: str) -> Any:
    """Return the user's device that made this code, which cannot be used again; None for a wrong code.

    After each wrong code a device refuses all codes for twice as long as before.
    """
    code = "".join(code.split()).lower()
    if not code:
        return None
    kind = TOTPDevice if len(code) == DIGITS and code.isdecimal() else StaticDevice
    with transaction.atomic():
        devices = kind.objects.devices_for_user(user, confirmed=True).select_for_update()
        return next((device for device in devices if device.verify_token(code)), None)


@transaction.atomic
def enrol(*, user: User, actor: str) -> Enrolment:
    """Give a user a new second factor; sessions that an earlier one verified are not verified any more."""
    _drop(user)
    device = TOTPDevice.objects.create(user=user, name="authenticator", confirmed=True)
    recovery = StaticDevice.objects.create(user=user, name="recovery codes", confirmed=True)
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create([StaticToken(device=recovery, token=code) for code in codes])
    note(AuditKind.TWO_FACTOR, actor=actor, user=user.get_username(), act="enrol")
    return Enrolment(device.config_url, codes)


@transaction.atomic
def remove_factor(*, user: User, actor: str) -> bool:
    """Take a user's second factor away, and return whether there was one."""
    if removed := _drop(user):
        note(AuditKind.TWO_FACTOR, actor=actor, user=user.get_username(), act="remove")
    return removed


def _drop(user: User) -> bool:
    counts = [kind.objects.filter(user=user).delete()[0] for kind in (TOTPDevice, StaticDevice)]
    return any(counts)
