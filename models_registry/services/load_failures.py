"""Which versions a worker cannot load now, and why: rows for people, written by the workers' pools."""

from __future__ import annotations

from django.db.models import F
from django.db.models.functions import Now

from models_registry.models import LoadFailure

REASON_CHARS = 2_000


def note_load_failure(*, node: str, version: int, reason: str) -> None:
    """Note that the worker `node` could not load the version; later ones count, and renew the reason."""
    text = reason[:REASON_CHARS].encode("utf-8", "replace").decode()
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # Postgres takes no NUL
    row, created = LoadFailure.objects.get_or_create(node=node, version_id=version, defaults={"reason": text})
    if not created:
        LoadFailure.objects.filter(pk=row.pk).update(reason=text, tries=F("tries") + 1, tried_at=Now())


def forget_load_failures(*, node: str, version: int | None = None) -> None:
    """Forget that the worker could not load the version; without one, any version."""
    rows = LoadFailure.objects.filter(node=node)
    (rows if version is None else rows.filter(version_id=version)).delete()
