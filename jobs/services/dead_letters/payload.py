"""Show a job's input, or a model's sealed words, to a person who may see them, and note that in the audit."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec
from django.db import transaction

from jobs.core.errors import PayloadGoneError
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import Column
from jobs.core.payloads.sealed_words import Words
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.job_seal import JobSeal
from jobs.services.access.audit import view_payload
from jobs.services.reads.payloads import ALL_BYTES, ShownPayload, show_payload
from models_registry.selectors import info


@dataclass(frozen=True, slots=True)
class _WordsRow:
    """Sealed words, and whose they are."""

    body: bytes
    encoding: str
    client: int
    version: int
    wrapped: bytes | None


_WORDS = Statement(
    """
SELECT letter.words AS body, letter.words_encoding AS encoding, job.client_id AS client,
  job.version_id AS version, keys.wrapped
FROM jobs_deadletter letter JOIN jobs_job job ON job.id = letter.job_id
LEFT JOIN jobs_jobkey keys ON keys.job_id = job.id
WHERE letter.job_id = %(job)s AND letter.words IS NOT NULL
""",
    _WordsRow,
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
    row = rows[0]
    version = info(row.version)
    identity = JobIdentity(job_id, row.client, version.model_id)
    seal = JobSeal(identity, row.wrapped, None, encrypts=version.secrecy.encrypt)
    return msgspec.json.decode(seal.unseal_message(row.body, row.encoding), type=Words)
