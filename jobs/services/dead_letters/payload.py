"""Show what a job was asked to somebody who may see it; that they looked is written down with it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from jobs.core.errors import PayloadGoneError
from jobs.core.payloads.keyring import Column
from jobs.services.access.audit import view_payload
from jobs.services.reads.payloads import WHOLE, Shown, shown


def read_payload(*, job_id: UUID, actor: str, most: int = WHOLE) -> Shown:
    """Return up to `most` bytes of a job's input, with tokens for personal data, and an Event of who asked.

    PayloadGoneError; PayloadUnreadableError.
    """
    with transaction.atomic():
        found = shown(job_id, Column.INPUT, most=most)
        if found is None:
            raise PayloadGoneError
        view_payload(job_id=job_id, actor=actor)
    return found
