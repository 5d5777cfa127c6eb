"""Mend a dead job's input and replay the job: the new input must keep the schema of the job's version."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from jobs.core.canonical import canonical_bytes, check_depth
from jobs.core.errors import BodyTooLargeError, JobNotFoundError, MalformedRequestError, PayloadGoneError
from jobs.selectors.statement import execute, fetch_all
from jobs.services.notify import wake_relay
from jobs.services.replay import lock_replayable, requeue
from models_registry.selectors import info, validate_input

_VERSION: LiteralString = "SELECT version_id FROM jobs_job WHERE id = %s"
_OLD: LiteralString = "SELECT body FROM jobs_jobinput WHERE job_id = %s"
_MEND: LiteralString = "UPDATE jobs_jobinput SET body = %s WHERE job_id = %s"
_RESIZE: LiteralString = "UPDATE jobs_job SET size = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Mended:
    """An input that its version takes, as canonical JSON, and its size as a batcher counts it."""

    body: bytes
    size: int


def check_edit(*, job_id: UUID, text: str) -> Mended:
    """Return the input that `text` is; JobNotFoundError, MalformedRequestError or InvalidInputError."""
    rows = fetch_all(_VERSION, (job_id,))
    if not rows:
        raise JobNotFoundError
    version, value = info(rows[0][0]), _parsed(text)
    validate_input(version, value)
    body = canonical_bytes(value)
    return Mended(body, len(body) if version.pads else 0)


def replay_edited(*, job_id: UUID, actor: str, text: str) -> None:
    """Replay a job with another input; the errors of `check_edit` and of `replay_job`.

    The event keeps the SHA-256 of both inputs, no user's data.
    """
    mended = check_edit(job_id=job_id, text=text)
    with transaction.atomic():
        lock_replayable(job_id)
        olds = execute(_OLD, (job_id,))
        if not olds:
            raise PayloadGoneError
        execute(_MEND, (mended.body, job_id))
        execute(_RESIZE, (mended.size, job_id))
        requeue([job_id], actor=actor, detail=_detail(bytes(olds[0][0]), mended.body))
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
    digests = {"before": sha256(before).hexdigest(), "after": sha256(after).hexdigest()}
    return msgspec.json.encode({"input_sha256": digests}).decode()
