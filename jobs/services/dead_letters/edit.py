"""Edit a dead job's input and replay the job; the new input must match the schema of the job's version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from jobs.core.canonical_json import canonical_bytes, check_depth
from jobs.core.cascades.mark import is_marked, marked
from jobs.core.errors import (
    BodyTooLargeError,
    ForbiddenError,
    JobNotFoundError,
    MalformedRequestError,
    PayloadGoneError,
    PayloadUnreadableError,
)
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import PLAIN, Column
from jobs.core.payloads.pointer import POINTER_BYTES, StoredPayload, files_of, names_of
from jobs.core.submission.file_references import FILE, outline, referred_files
from jobs.core.submission.input_size import MOST_SIZE, check_resolved, memory_bytes, resolved_bytes
from jobs.db.notify import wake_relay
from jobs.db.statement import Statement, execute, fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain, store_payload
from jobs.payloads.job_seal import JobSeal, new_seal
from jobs.payloads.row_sealing import sealed_input, unsealed_input
from jobs.payloads.sealed_objects import for_job
from jobs.payloads.subject_digest import subject_digests
from jobs.services.access.known_keys import check_keys
from jobs.services.erasure.subjects import remember_subjects
from jobs.services.erasure.unwanted_objects import mark_unwanted
from jobs.services.lifecycle.replay import AT_ONCE, ReplayPace, lock_replayable, requeue
from jobs.services.lifecycle.unshare import unshare
from jobs.services.reads.payloads import plain_input
from models_registry.core import pii
from models_registry.core.secrecy import Secrecy
from models_registry.core.version import VersionInfo
from models_registry.selectors import info, validate_input, validate_outline


class _VersionAndHead(NamedTuple):
    """A job's version and client, and its input's first bytes, enough for a pointer; None if it is gone."""

    version: int
    client: int
    head: bytes | None


class _OldInput(NamedTuple):
    body: bytes
    parameters: bytes | None
    metadata: bytes | None
    encoding: str
    variant: int | None
    client: int
    version: int
    wrapped: bytes | None

    def seal(self, job: UUID) -> JobSeal:
        """Return what opens the old input."""
        version = info(self.version)
        identity = JobIdentity(job, self.client, version.model_id)
        return JobSeal(identity, self.wrapped, None, encrypts=version.secrecy.encrypt)


_VERSION = Statement(
    """
SELECT version_id AS version, client_id AS client,
  (SELECT substr(body, 1, %(most)s) FROM jobs_jobinput WHERE job_id = %(job)s LIMIT 1) AS head
FROM jobs_job WHERE id = %(job)s
""",
    _VersionAndHead,
)
_OLD = Statement(
    """
SELECT i.body, i.parameters, i.metadata, i.encoding, i.variant, j.client_id AS client,
  j.version_id AS version, k.wrapped
FROM jobs_job j JOIN jobs_jobinput i ON i.job_id = j.id LEFT JOIN jobs_jobkey k ON k.job_id = j.id
WHERE j.id = %(job)s
""",
    _OldInput,
)
_EDIT: Statement[None] = Statement("""
UPDATE jobs_jobinput SET body = %(body)s, parameters = %(parameters)s, metadata = %(metadata)s,
  encoding = %(encoding)s, variant = %(variant)s
WHERE job_id = %(job)s
""")
# The old input is sealed under the old keys, so that nobody can put it back.
_KEYS: Statement[None] = Statement("""
INSERT INTO jobs_jobkey (job_id, wrapped, answer) VALUES (%(job)s, %(wrapped)s, %(answer)s)
ON CONFLICT (job_id) DO UPDATE SET wrapped = excluded.wrapped, answer = excluded.answer
""")
_CHANGE: Statement[None] = Statement(
    "UPDATE jobs_job SET size = %(size)s, version_id = %(version)s WHERE id = %(job)s"
)


@dataclass(frozen=True, slots=True)
class EditedInput:
    """An input that `version` accepts, as canonical JSON, and its size as a batcher counts it.

    One with `files` keeps those of the old input, and is validated by the worker that reads them.
    """

    body: bytes
    size: int
    version: VersionInfo
    files: tuple[StoredPayload, ...] = ()
    subjects: tuple[bytes, ...] = ()


def check_edit(*, job_id: UUID, text: str, at: VersionInfo | None = None) -> EditedInput:
    """Return `text` as an input; JobNotFoundError, or an error of a submit that says what is wrong with it.

    It is for the job's own version, or for another one, `at`, of the same model that protects it as much:
    ForbiddenError. Where the version marks personal data, each token is replaced by its value in the old
    input. Where it guards any, DatabaseUnusableError if this process has other keys than the workers.
    """
    rows = fetch_all(_VERSION, {"job": job_id, "most": POINTER_BYTES})
    if not rows:
        raise JobNotFoundError
    version = _allowed(info(rows[0].version), at)
    if version.secrecy.guarded:
        check_keys()
    files = tuple(file for file in files_of(rows[0].head or b"") if _may_name(text, file))
    value = _without_tokens(job_id, version.secrecy, _parsed(text))
    if files:
        validate_outline(version, *outline(value))
    else:
        validate_input(version, value)
    body = canonical_bytes(value)
    size = _checked_size(version, value, body, files)
    subjects = subject_digests(version, value, client=rows[0].client)
    return EditedInput(body, size, version, files, subjects)


def _allowed(own: VersionInfo, at: VersionInfo | None) -> VersionInfo:
    """Return the version that is to answer a job of the version `own`; ForbiddenError."""
    if at is None:
        return own
    if at.model != own.model:
        raise ForbiddenError(f"The job is one of {own.model}: choose a version of that model.")
    if not at.secrecy.covers(own.secrecy):
        raise ForbiddenError(f"{at} protects an input less than {own}, which the job was submitted to.")
    return at


def _checked_size(version: VersionInfo, value: Any, body: bytes, files: tuple[StoredPayload, ...]) -> int:
    """Return an input's size as a batcher counts it; InputTooLargeError."""
    referred = referred_files(value) if files else []
    total = resolved_bytes(len(body), referred)
    check_resolved(total, settings.INFERENCE.max_resolved_bytes)
    return min(total if version.padded else memory_bytes(body, referred), MOST_SIZE)


def _may_name(text: str, file: StoredPayload) -> bool:
    """Return whether an input may refer to a file; of sealed files only the worker can tell which one."""
    return FILE in text if file.encoding != PLAIN else file.sha256 in text


def replay_at(*, job_id: UUID, actor: str, version: VersionInfo) -> None:
    """Replay a job with its own input on another version of its model; the errors of `replay_edited`."""
    value = plain_input(job_id)
    if value is None:
        raise PayloadGoneError
    replay_edited(job_id=job_id, actor=actor, text=msgspec.json.encode(value).decode(), at=version)


def replay_edited(
    *, job_id: UUID, actor: str, text: str, at: VersionInfo | None = None, pace: ReplayPace = AT_ONCE
) -> None:
    """Replay a job with another input, `at` another version; the errors of `check_edit` and of `replay_job`.

    The Event holds a keyed hash of both inputs and no user data: an event outlives an erased job.
    """
    edited = check_edit(job_id=job_id, text=text, at=at)
    with transaction.atomic():
        lock_replayable(job_id)
        rows = execute(_OLD, {"job": job_id})
        if not rows:
            raise PayloadGoneError
        old = rows[0].seal(job_id)
        execute(_EDIT, _columns(old, edited, rows[0]) | {"job": job_id})
        remember_subjects({job_id: edited.subjects})
        mark_unwanted(job_id, names_of(rows[0].body))  # unless the new row points at them too
        unshare([job_id])
        execute(_CHANGE, {"size": edited.size, "version": edited.version.id, "job": job_id})
        detail = _detail(_old_input(old, rows[0]), edited, at)
        # The new input was checked against this version, whatever rule is in force now.
        requeue([job_id], actor=actor, pace=pace, detail=detail, same_version=True)
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


def _without_tokens(job_id: UUID, secrecy: Secrecy, value: Any) -> Any:
    if not secrecy.input_marks:
        return value
    values = {vault.token(part): part for part in pii.marked(secrecy.input_marks, plain_input(job_id))}
    return pii.replaced(
        secrecy.input_marks, value, lambda part: values.get(part, part) if isinstance(part, str) else part
    )


def _columns(before: JobSeal, edited: EditedInput, old: _OldInput) -> dict[str, Any]:
    """Return the columns of the edited input; where its version encrypts, seal them by new keys."""
    others = {"parameters": old.parameters, "metadata": old.metadata}
    plain: dict[str, Any] = {"body": edited.body} | unsealed_input(before, others, old.encoding)
    if not edited.version.secrecy.encrypt:
        body = store_payload(edited.body, edited.files)
        return plain | {"body": body, "encoding": PLAIN, "variant": old.variant}
    seal = new_seal(before.identity)
    execute(_KEYS, {"job": seal.identity.job, "wrapped": seal.wrapped, "answer": seal.answer})
    sealed = sealed_input(seal, plain)
    if old.variant is not None and is_marked(old.variant):
        sealed["variant"] = marked(sealed["variant"])
    files = [for_job(file, seal=seal, before=before) for file in edited.files]
    return sealed | {"body": store_payload(sealed["body"], files)}


def _old_input(seal: JobSeal, old: _OldInput) -> bytes:
    """Return the old input in clear; empty where it is lost, because an edit repairs such a job."""
    try:
        return load_plain(old.body, old.encoding, seal, Column.INPUT)
    except PayloadUnreadableError:
        return b""


def _detail(old_input: bytes, edited: EditedInput, at: VersionInfo | None) -> str:
    inputs = {"before": old_input, "after": edited.body}
    digests = {name: vault.digest("audit", body).hex() for name, body in inputs.items()}
    moved = {} if at is None else {"version": str(at)}
    return msgspec.json.encode({"input_hmac": digests, **moved}).decode()
