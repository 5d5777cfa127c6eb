"""Show a job's input, or a model's sealed words, to a person who may see them, and note that in the audit."""

from __future__ import annotations

from uuid import UUID

import msgspec
from django.db import transaction

from jobs.core.errors import PayloadGoneError
from jobs.core.payloads.keyring import Column, Place
from jobs.core.payloads.sealed_words import SealedWords, Words
from jobs.db.statement import Statement, fetch_all
from jobs.payloads import vault
from jobs.services.access.audit import view_payload
from jobs.services.reads.payloads import ALL_BYTES, ShownPayload, show_payload

_WORDS = Statement(
    """
SELECT words AS body, words_encoding AS encoding FROM jobs_deadletter
WHERE job_id = %(job)s AND words IS NOT NULL
""",
    SealedWords,
)


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


def words_of(job_id: UUID) -> Words | None:
    """Return a model's own words about a failure, None where none are sealed; the caller appends the Event.

    PayloadUnreadableError.
    """
    rows = fetch_all(_WORDS, {"job": job_id})
    if not rows:
        return None
    plain = vault.unseal(rows[0].body, rows[0].encoding, Place(job_id, Column.ERROR))
    return msgspec.json.decode(plain, type=Words)
