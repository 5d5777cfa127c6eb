"""Changes the quota of a client; each change is an Event."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.admission.quota import Quota
from jobs.models import Client, QuotaBucket
from jobs.services.access.audit import note
from jobs.services.access.owner import forget_owners
from jobs.services.admission.quotas import forget_quotas

LIMITS = ("requests_per_s", "requests_burst", "bytes_per_s", "most_in_flight")


@transaction.atomic
def set_quota(*, client_id: int, quota: Quota, actor: str) -> bool:
    """Give a client these limits; return whether they differ. Servers know them within two seconds."""
    client = Client.objects.select_for_update().get(pk=client_id)
    before, after = _limits(client), _limits(quota)
    if before == after:
        return False
    Client.objects.filter(pk=client_id).update(**{name: getattr(quota, name) for name in LIMITS})
    QuotaBucket.objects.filter(client_id=client_id).delete()  # the next take makes a full one
    note(AuditKind.QUOTA_CHANGE, actor=actor, client=client.name, before=before, after=after)
    transaction.on_commit(_forget)
    return True


def _forget() -> None:
    forget_owners()
    forget_quotas()


def _limits(holder: Client | Quota) -> dict[str, Any]:
    limits = {name: getattr(holder, name) for name in LIMITS}
    return {name: value for name, value in limits.items() if value is not None}
