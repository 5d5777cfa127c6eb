"""Make and revoke bearer tokens; only their SHA-256 is stored."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_urlsafe

from django.db import transaction
from django.db.models.functions import Now

from jobs.models import ApiToken, Client
from jobs.selectors.tokens import forget_owners, token_digest

PREFIX_CHARS = 8


@transaction.atomic
def create_token(*, client: str, label: str = "", expires_in_days: int | None = None) -> str:
    """Return a new token of `client`, which is made where it is missing; the token is not kept."""
    owner, _ = Client.objects.get_or_create(name=client)
    token = f"inf_{token_urlsafe(32)}"
    ApiToken.objects.create(
        client=owner,
        label=label,
        digest=token_digest(token),
        prefix=token[:PREFIX_CHARS],
        expires_at=None if expires_in_days is None else Now() + timedelta(days=expires_in_days),
    )
    return token


def revoke_token(*, token_id: int) -> bool:
    """Revoke a token and say whether it was valid; other processes follow within two seconds."""
    changed = ApiToken.objects.filter(pk=token_id, revoked_at__isnull=True).update(revoked_at=Now())
    forget_owners()
    return changed == 1
