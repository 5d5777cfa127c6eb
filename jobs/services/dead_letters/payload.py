"""Show a job's input to a person who may see it, and append an Event of that."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from jobs.core.errors import PayloadGoneError
from jobs.core.payloads.keyring import Column
from jobs.services.access.audit import view_payload
from jobs.services.reads.payloads import ALL_BYTES, ShownPayload, show_payload


def read_payload(*, job_id: UUID, actor: str, most: int = ALL_BYTES) -> ShownPayload:
    """Return up to `most` bytes of a job's input, with tokens for personal data; append an Event of `actor`.

    PayloadGoneError; PayloadUnreadableError.
    """
    with transaction.atomic():
        payload = show_payload(job_id, Column.INPUT, most=most)
        if payload is None:
            raise PayloadGoneError
        view_payload(job_id=job_id, actor=actor)
    return payload
