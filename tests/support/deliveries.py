"""Attempts to deliver webhooks, as a task of the dispatcher makes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jobs.models import Delivery
from jobs.services.webhooks.deliver import deliver

LIMIT_S = 30.0


def delivered(job: UUID, *, attempts: int, **options: Any) -> None:
    """Make an attempt that was asked for, and wait for its record."""
    Delivery.objects.filter(job=job, attempts=attempts, state="waiting").update(requested=1)
    deliver(job, attempts=attempts, **options).result(LIMIT_S)
