"""Secrets that sign webhooks: stored encrypted under a key derived from SECRET_KEY, and shown once."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from secrets import token_bytes

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Least, Now

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.webhooks.policy import secret_text
from jobs.models import Client, WebhookSecret
from jobs.services.access.audit import note
from jobs.services.access.known_keys import accept_site_key, check_keys

SECRET_BYTES = 32
GRACE_HOURS = 24


@transaction.atomic
def make_secret(*, client: str, actor: str, grace_hours: int = GRACE_HOURS) -> str:
    """Return a new secret of `client`, which is created where it is missing; older ones end after the grace.

    Within the grace each webhook is signed with both, so that receivers can change over.
    DatabaseUnusableError where no other process could read it, because SECRET_KEY is not theirs.
    """
    check_keys()
    owner, _ = Client.objects.get_or_create(name=client)
    ends_at = Least("expires_at", Now() + timedelta(hours=grace_hours))  # a NULL is not the least
    replaced = _valid(owner.pk).update(expires_at=ends_at)
    key = token_bytes(SECRET_BYTES)
    row = WebhookSecret.objects.create(client=owner, sealed=_fernet().encrypt(key))
    note(
        AuditKind.WEBHOOK_SECRET,
        actor=actor,
        client=client,
        id=row.pk,
        replaced=replaced,
        grace_hours=grace_hours,
    )
    return secret_text(key)


@transaction.atomic
def rotate_site_key(*, actor: str) -> int:
    """Seal every webhook secret under SECRET_KEY, and let it be the known one; return how many secrets.

    Afterwards no row needs SECRET_KEY_FALLBACKS, but for the audit: seals that were made with an old key are
    verified with it. InvalidToken, and nothing changed, where a secret was sealed under another key.
    """
    fernet, rows = _fernet(), WebhookSecret.objects.select_for_update().order_by("id")
    count = 0
    for row in rows:
        row.sealed = fernet.rotate(bytes(row.sealed))
        row.save(update_fields=["sealed"])
        count += 1
    accept_site_key(actor=actor)
    return count


def signing_keys(client_id: int) -> list[bytes]:
    """Return a client's valid keys, newest first; InvalidToken where another SECRET_KEY sealed them."""
    fernet = _fernet()
    rows = _valid(client_id).order_by("-id").values_list("sealed", flat=True)
    return [fernet.decrypt(bytes(sealed)) for sealed in rows]


def _valid(client_id: int) -> QuerySet[WebhookSecret]:
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    return WebhookSecret.objects.filter(alive, client_id=client_id)


def _fernet() -> MultiFernet:
    """Return what seals under SECRET_KEY, and opens under its fallbacks as well."""
    return MultiFernet([_fernet_of(key) for key in settings.INFERENCE.site_keys or (settings.SECRET_KEY,)])


def _fernet_of(site_key: str) -> Fernet:
    # A key for this use only, so that signatures made elsewhere with SECRET_KEY reveal nothing of it.
    key = hashlib.sha256(b"webhook secrets\0" + site_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
