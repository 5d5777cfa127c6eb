"""Changes the models that a client may use; each change is recorded as an Event."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.models import Client
from jobs.services.access.audit import note
from jobs.services.access.owner import forget_owners


@transaction.atomic
def allow_models(*, client_id: int, models: Sequence[str], actor: str) -> bool:
    """Let a client use these models only, all where none is named; return whether that is a change.

    Servers apply it within two seconds. Jobs that were accepted before still run.
    """
    client = Client.objects.select_for_update().get(pk=client_id)
    before, after = client.models, sorted({name.strip() for name in models} - {""})
    if before == after:
        return False
    Client.objects.filter(pk=client_id).update(models=after)
    note(AuditKind.CLIENT_MODELS, actor=actor, client=client.name, before=before, after=after)
    transaction.on_commit(forget_owners)
    return True
