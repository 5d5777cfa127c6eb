"""Mend a dead job's input and replay the job: the new input must keep the schema of the job's version."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from jobs.core.canonical_json import canonical_bytes, check_depth
from jobs.core.errors import (
    BodyTooLargeError,
    JobNotFoundError,
    MalformedRequestError,
    PayloadGoneError,
    PayloadUnreadableError,
)
from jobs.core.payloads.keyring import PLAIN, Column, Place
from jobs.core.payloads.pointer import POINTER_BYTES, StoredPayload, files_of
from jobs.core.submission.file_references import FILE
from jobs.db.notify import wake_relay
from jobs.db.positional import Row, execute, fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain, store_payload
from jobs.payloads.row_sealing import COLUMNS, sealed_input, unsealed_input
from jobs.payloads.sealed_objects import under_first_key
from jobs.services.lifecycle.replay import lock_replayable, requeue
from jobs.services.reads.payloads import plain_input
from models_registry.core import pii
from models_registry.core.secrecy import Secrecy
from models_registry.selectors import info, validate_input

_VERSION: LiteralString = """
SELECT version_id, (SELECT substr(body, 1, %(most)s) FROM jobs_jobinput WHERE job_id = %(job)s LIMIT 1)
FROM jobs_job WHERE id = %(job)s
"""
_OLD: LiteralString = """
SELECT body, parameters, metadata, encoding, variant FROM jobs_jobinput WHERE job_id = %s
"""
_MEND: LiteralString = """
UPDATE jobs_jobinput SET body = %(body)s, parameters = %(parameters)s, metadata = %(metadata)s,
  encoding = %(encoding)s, variant = %(variant)s
WHERE job_id = %(job)s
"""
_RESIZE: LiteralString = "UPDATE jobs_job SET size = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Mended:
    """An input that its version takes, as canonical JSON, and its size as a batcher counts it.

    One with `files` keeps those of the old input, and is checked by the worker that reads them.
    """

    body: bytes
    size: int
    secrecy: Secrecy
    files: tuple[StoredPayload, ...] = ()


def check_edit(*, job_id: UUID, text: str) -> Mended:
    """Return the input that `text` is; JobNotFoundError, MalformedRequestError or InvalidInputError.

    A token that stands where its version marks personal data is what it stands for in the input before.
    """
    rows = fetch_all(_VERSION, {"job": job_id, "most": POINTER_BYTES})
    if not rows:
        raise JobNotFoundError
    version = info(rows[0][0])
    files = tuple(file for file in files_of(rows[0][1] or b"") if _named(file, text))
    value = _restored(job_id, version.secrecy, _parsed(text))
    if not files:
        validate_input(version, value)
    body = canonical_bytes(value)
    size = len(body) + sum(file.size for file in files)
    return Mended(body, size if version.padded else 0, version.secrecy, files)


def _named(file: StoredPayload, text: str) -> bool:
    """Say whether an input may refer to a file; which a sealed one is, only its worker sees."""
    return FILE in text if file.encoding != PLAIN else file.sha256 in text


def replay_edited(*, job_id: UUID, actor: str, text: str) -> None:
    """Replay a job with another input; the errors of `check_edit` and of `replay_job`.

    The event keeps a hash of both inputs, keyed where its version guards them; no user's data.
    """
    mended = check_edit(job_id=job_id, text=text)
    with transaction.atomic():
        lock_replayable(job_id)
        olds = execute(_OLD, (job_id,))
        if not olds:
            raise PayloadGoneError
        before, columns = _mended(job_id, mended, olds[0])
        execute(_MEND, columns | {"job": job_id})
        execute(_RESIZE, (mended.size, job_id))
        requeue([job_id], actor=actor, detail=_detail(before, mended))
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


def _restored(job_id: UUID, secrecy: Secrecy, value: Any) -> Any:
    if not secrecy.input_marks:
        return value
    kept = {vault.token(part): part for part in pii.marked(secrecy.input_marks, plain_input(job_id))}
    return pii.replaced(
        secrecy.input_marks, value, lambda part: kept.get(part, part) if isinstance(part, str) else part
    )


def _mended(job_id: UUID, mended: Mended, old: Row) -> tuple[bytes, dict[str, Any]]:
    """Return the input before, in clear, and the columns of the mended one: one key for all of a row."""
    body, *others, encoding, variant = old
    beside = dict(zip(list(COLUMNS)[1:], others, strict=True))
    after: dict[str, Any] = {"body": mended.body} | unsealed_input(job_id, beside, encoding)
    kept = sealed_input(job_id, after) if mended.secrecy.encrypt else after | {"encoding": PLAIN}
    files = tuple(map(under_first_key, mended.files)) if mended.secrecy.encrypt else mended.files
    stored = {"body": store_payload(kept["body"], files)}
    return _before(job_id, body, encoding), {"variant": variant} | kept | stored


def _before(job_id: UUID, body: bytes, encoding: str) -> bytes:
    """Return the input before; nothing where it is lost: another one is how such a job is mended."""
    try:
        return load_plain(body, encoding, Place(job_id, Column.INPUT))
    except PayloadUnreadableError:
        return b""


def _detail(before: bytes, mended: Mended) -> str:
    if mended.secrecy.guarded:
        name, digests = "input_hmac", [vault.digest("audit", body) for body in (before, mended.body)]
    else:
        name, digests = "input_sha256", [sha256(body).digest() for body in (before, mended.body)]
    told = dict(zip(("before", "after"), (digest.hex() for digest in digests), strict=True))
    return msgspec.json.encode({name: told}).decode()
