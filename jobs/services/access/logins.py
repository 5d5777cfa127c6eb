"""Logins in the audit: each that succeeds, each wrong password, each lockout, with address and name.

What is refused without a look at the password (a name or address that is locked out) is only counted, because
it costs the attacker nothing.
"""

from __future__ import annotations

import logging
from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from jobs.core.access.audit_kinds import AuditKind
from jobs.services.access.audit import note
from jobs.services.access.refusals import RefusalReason, count_refusal
from jobs.services.access.request_origin import origin

ANONYMOUS = "anonymous"
NAME_CHARS = 150
log = logging.getLogger(__name__)


def listen() -> None:
    """Follow Django's logins from now on."""
    user_logged_in.connect(_on_login, dispatch_uid="audit")
    user_logged_out.connect(_on_logout, dispatch_uid="audit")
    user_login_failed.connect(_on_failure, dispatch_uid="audit")
    user_locked_out.connect(_on_lockout, dispatch_uid="audit")


def _on_login(user: Any, **_: Any) -> None:
    log.info("login of %s from %s", user.get_username(), origin().address)
    note(AuditKind.LOGIN, actor=user.get_username())


def _on_logout(user: Any, **_: Any) -> None:
    if user is not None:
        note(AuditKind.LOGOUT, actor=user.get_username())


def _on_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    name = _short(credentials.get("username"))
    if _is_refused_unseen(request):
        count_refusal(origin().address, RefusalReason.LOCKED_OUT)
        return
    log.warning("login of %r from %s refused", name, origin().address)
    note(AuditKind.LOGIN_REFUSED, actor=ANONYMOUS, name=name)


def _on_lockout(request: HttpRequest, username: str | None, **_: Any) -> None:
    if not _is_refused_unseen(request):
        log.warning("logins of %r from %s are locked out", _short(username), origin().address)
        note(AuditKind.LOGIN_LOCKED, actor=ANONYMOUS, name=_short(username))


def _is_refused_unseen(request: HttpRequest | None) -> bool:
    """Return whether django-axes refused the request before any password was looked at."""
    locked = getattr(request, "axes_locked_out", False)
    return bool(locked) and getattr(request, "axes_failures_since_start", None) is None


def _short(name: object) -> str:
    return str(name or "")[:NAME_CHARS]
