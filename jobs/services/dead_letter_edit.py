"""Mend a dead job's input and replay the job: the new input must keep the schema of the job's version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from jobs.core.canonical import canonical_bytes, check_depth
from jobs.core.errors import BodyTooLargeError, JobNotFoundError, MalformedRequestError
from jobs.core.payload import POINTER_BYTES, Stored, files_of, sha256_of
from jobs.payloads.claims import checked_in
from jobs.selectors.statement import execute, fetch_all
from jobs.services.notify import wake_relay
from jobs.services.replay import lock_replayable, requeue
from models_registry.selectors import info, validate_input

_VERSION: LiteralString = """
SELECT job.version_id, substr(input.body, 1, %(most)s)
FROM jobs_job job JOIN jobs_jobinput input ON input.job_id = job.id WHERE job.id = %(job)s
"""
_OLD: LiteralString = "SELECT body FROM jobs_jobinput WHERE job_id = %s"
_MEND: LiteralString = "UPDATE jobs_jobinput SET body = %s WHERE job_id = %s"
_RESIZE: LiteralString = "UPDATE jobs_job SET size = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Mended:
    """An input that its version takes, as canonical JSON, and its size as a batcher counts it.

    One with `files` keeps those of the old input, and is checked by the worker that reads them.
    """

    body: bytes
    size: int
    files: tuple[Stored, ...] = ()


def check_edit(*, job_id: UUID, text: str) -> Mended:
    """Return the input that `text` is; JobNotFoundError, MalformedRequestError or InvalidInputError."""
    rows = fetch_all(_VERSION, {"job": job_id, "most": POINTER_BYTES})
    if not rows:
        raise JobNotFoundError
    version, value, files = info(rows[0][0]), _parsed(text), files_of(bytes(rows[0][1]))
    files = tuple(file for file in files if file.sha256 in text)
    if not files:
        validate_input(version, value)
    body = canonical_bytes(value)
    size = len(body) + sum(file.size for file in files)
    return Mended(body, size if version.pads else 0, files)


def replay_edited(*, job_id: UUID, actor: str, text: str) -> None:
    """Replay a job with another input; the errors of `check_edit` and of `replay_job`.

    The event keeps the SHA-256 of both inputs, no user's data.
    """
    mended = check_edit(job_id=job_id, text=text)
    stored = checked_in(mended.body, mended.files)
    with transaction.atomic():
        lock_replayable(job_id)
        ((old,),) = execute(_OLD, (job_id,))
        execute(_MEND, (stored, job_id))
        execute(_RESIZE, (mended.size, job_id))
        requeue([job_id], actor=actor, detail=_detail(bytes(old), mended.body))
    wake_relay()


def _parsed(text: str) -> Any:
    try:
        raw = text.encode()
        if len(raw) > settings.INFERENCE.max_body_bytes:
            raise BodyTooLargeError(f"The input is larger than {settings.INFERENCE.max_body_bytes} bytes.")
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise MalformedRequestError(f"The input is not JSON: {error}") from None
    check_depth(raw, value)
    return value


def _detail(before: bytes, after: bytes) -> str:
    digests = {"before": sha256_of(before), "after": sha256_of(after)}
    return msgspec.json.encode({"input_sha256": digests}).decode()
