"""Create, rotate, end and revoke bearer tokens: only their SHA-256 is stored, and each change is an Event."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Least, Now

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.access.scopes import DEFAULT_SCOPES, LIFETIME_DAYS, WARNED_DAYS
from jobs.core.errors import TokenEndedError
from jobs.models import ApiToken, Client
from jobs.services.access.audit import note
from jobs.services.access.owner import forget_owners, token_digest

PREFIX_CHARS = 8
GRACE_HOURS = 24
BURST_S = 20  # of a new client's rate: at 1,000 jobs a second, two of the largest bulk calls
log = logging.getLogger(__name__)
_WORKS = Q(revoked_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))


@transaction.atomic
def create_token(
    *,
    client: str,
    label: str = "",
    scopes: Sequence[str] = DEFAULT_SCOPES,
    expires_in_days: int | None = LIFETIME_DAYS,
    limited: bool = False,
    actor: str = "",
) -> str:
    """Return a new token of `client`, which is created where it is missing; the token is not stored.

    A token of None days never ends. A new client that is `limited` has the default quotas.
    """
    owner, _ = Client.objects.get_or_create(name=client, defaults=_quotas() if limited else {})
    days = expires_in_days
    ends_at = None if days is None else Now() + timedelta(days=days)
    row, token = _store(ApiToken(client=owner, label=label, scopes=_in_order(scopes), expires_at=ends_at))
    note(AuditKind.TOKEN_CREATE, actor=actor, **_public(row))
    return token


@transaction.atomic
def rotate_token(*, token_id: int, actor: str, grace_hours: float = GRACE_HOURS) -> str:
    """Return the successor of a token; the old one works for at most `grace_hours` more.

    The successor has the same scopes and the same lifetime. TokenEndedError.
    """
    old = _working(token_id)
    successor = ApiToken(
        client=old.client, label=old.label, scopes=old.scopes, expires_at=_expiry(old), replaces=old
    )
    row, token = _store(successor)
    last = Least("expires_at", Now() + timedelta(hours=grace_hours))  # a NULL is not the least
    ApiToken.objects.filter(pk=old.pk).update(expires_at=last)
    note(AuditKind.TOKEN_ROTATE, actor=actor, old=old.pk, grace_hours=grace_hours, **_public(row))
    transaction.on_commit(forget_owners)
    return token


@transaction.atomic
def end_token(*, token_id: int, actor: str, grace_hours: int = GRACE_HOURS) -> bool:
    """Let a token end in `grace_hours`, unless it ends earlier; return whether it works until then.

    It cannot be rotated any more: its successor would not end.
    """
    last = Least("expires_at", Now() + timedelta(hours=grace_hours))
    changed = ApiToken.objects.filter(_WORKS, pk=token_id).update(expires_at=last, ended_at=Now())
    if changed:
        note(
            AuditKind.TOKEN_END,
            actor=actor,
            grace_hours=grace_hours,
            **_public(ApiToken.objects.get(pk=token_id)),
        )
    transaction.on_commit(forget_owners)
    return changed == 1


def warn_of_ends() -> int:
    """Log each working token that ends soon and has no successor, and return how many there are."""
    soon = ApiToken.objects.filter(_WORKS, expires_at__lt=Now() + timedelta(days=WARNED_DAYS))
    rows = list(soon.filter(apitoken__isnull=True).select_related("client").order_by("expires_at"))
    for row in rows:
        log.warning("token %s… of client %s ends at %s: rotate it", row.prefix, row.client, row.expires_at)
    return len(rows)


@transaction.atomic
def revoke_token(*, token_id: int, actor: str = "", alone: bool = False) -> int:
    """Revoke a token and all that it was rotated into; return how many were not revoked before.

    Whoever stole a token may have rotated it, and would go on with the successor; `alone` leaves successors.
    Other processes follow within two seconds.
    """
    revoked, family = 0, [token_id]
    while family:  # an update waits for a rotation that is under way, so the next read sees its successor
        revoked += sum(_revoke(pk, actor) for pk in family)
        rotated = ApiToken.objects.filter(replaces__in=[] if alone else family)
        family = list(rotated.values_list("pk", flat=True))
    transaction.on_commit(forget_owners)
    return revoked


def _revoke(token_id: int, actor: str) -> int:
    changed = ApiToken.objects.filter(pk=token_id, revoked_at__isnull=True).update(revoked_at=Now())
    if changed:
        note(AuditKind.TOKEN_REVOKE, actor=actor, **_public(ApiToken.objects.get(pk=token_id)))
    return changed


def public_view(token: str) -> dict[str, Any]:
    """Return what the owner of a token may know of it."""
    row = ApiToken.objects.get(digest=token_digest(token))
    return {"prefix": row.prefix, "scopes": row.scopes, "expires_at": row.expires_at}


def _quotas() -> dict[str, Any]:
    """Return the quotas of a new client."""
    config = settings.INFERENCE
    return {
        "requests_per_s": config.client_requests_per_s or None,
        "requests_burst": config.client_requests_per_s * BURST_S or None,
        "bytes_per_s": config.client_bytes_per_s or None,
        "most_in_flight": config.client_most_in_flight or None,
    }


def _store(row: ApiToken) -> tuple[ApiToken, str]:
    token = f"inf_{token_urlsafe(32)}"
    row.digest, row.prefix = token_digest(token), token[:PREFIX_CHARS]
    row.save(force_insert=True)
    return row, token


def _working(token_id: int) -> ApiToken:
    """Lock and return a token that works and has no successor; TokenEndedError."""
    rows = ApiToken.objects.select_related("client").select_for_update(of=("self",))
    token = rows.filter(_WORKS, pk=token_id).first()
    if token is None:
        raise TokenEndedError
    if ApiToken.objects.filter(replaces=token).exists():
        raise TokenEndedError("The token was rotated before: rotate its successor.")
    if token.ended_at is not None:
        raise TokenEndedError("An operator lets the token end: ask for a new one.")
    return token


def _expiry(old: ApiToken) -> Combinable | None:
    return None if old.expires_at is None else Now() + (old.expires_at - old.created_at)


def _in_order(scopes: Sequence[str]) -> list[str]:
    return sorted({str(scope) for scope in scopes})


def _public(row: ApiToken) -> dict[str, Any]:
    """Return the part of a token that an Event may hold: never the token itself."""
    return {"id": row.pk, "client": row.client.name, "prefix": row.prefix, "scopes": row.scopes}
