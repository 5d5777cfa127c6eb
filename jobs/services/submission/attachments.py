"""Attach to a job the files that its input refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import IO, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.errors import PartNotFoundError, UploadNotFoundError
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.file_references import Reference, references, stored_form
from jobs.core.submission.parsed_job import ParsedJob, parse_job
from jobs.core.submission.request import JobRequest
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.object_store import put_stream
from jobs.payloads.sealed_objects import put_sealed
from jobs.services.access.owner import Owner
from models_registry.core.version import VersionInfo


@dataclass(frozen=True, slots=True)
class Part:
    """A file that came with a call; it is stored when it is referred to."""

    source: IO[bytes]
    content_type: str


Parts = Mapping[str, Part]
Files = dict[Reference, tuple[StoredPayload, StoredPayload]]  # each as it was given, and as it is stored
NO_PARTS: Parts = {}


class _UploadRow(NamedTuple):
    id: UUID
    name: str
    size: int
    sha256: str
    content_type: str


_UPLOADS = Statement(
    """
SELECT id, name, size, sha256, content_type FROM jobs_upload
WHERE client_id = %(client)s AND id = ANY(%(ids)s) AND expires_at > now()
""",
    _UploadRow,
)


def attached(owner: Owner, request: JobRequest, version: VersionInfo, parts: Parts) -> ParsedJob | None:
    """Return the job with the files that it refers to; None without any.

    Where the version encrypts, parts are stored sealed; `sealed_files` seals uploads later.
    UploadNotFoundError, also for another client's upload, PartNotFoundError or EncryptionUnavailableError.
    """
    referred = references(request.input)
    if not referred:
        return None
    files = _uploads(owner, referred) | _parts(parts, referred, encrypt=version.secrecy.encrypt)
    return _with_files(request, version, files)


def _with_files(request: JobRequest, version: VersionInfo, files: Files) -> ParsedJob:
    given = {reference: pair[0] for reference, pair in files.items()}
    stored = msgspec.structs.replace(request, input=stored_form(request.input, given))
    job = parse_job(stored, version)
    size = job.size + sum(file.size for file in given.values()) if version.padded else 0
    return replace(job, files=tuple(stored_file for _, stored_file in files.values()), size=size)


def _uploads(owner: Owner, referred: Iterable[Reference]) -> Files:
    named = {reference: _uuid(reference.name) for reference in referred if reference.source == "upload"}
    if not named:
        return {}
    rows = fetch_all(_UPLOADS, {"client": owner.id, "ids": list(named.values())})
    files = {row.id: StoredPayload(row.name, row.size, row.sha256, row.content_type) for row in rows}
    if missing := [reference.name for reference, key in named.items() if key not in files]:
        raise UploadNotFoundError(f"There is no upload {missing[0]}.")
    return {reference: (files[key], files[key]) for reference, key in named.items()}


def _parts(parts: Parts, referred: Iterable[Reference], *, encrypt: bool) -> Files:
    named = [reference for reference in referred if reference.source == "part"]
    if missing := [reference.name for reference in named if reference.name not in parts]:
        raise PartNotFoundError(f"There is no file part {missing[0]!r} in this call.")
    return {reference: _of_part(parts[reference.name], encrypt=encrypt) for reference in named}


def _of_part(part: Part, *, encrypt: bool) -> tuple[StoredPayload, StoredPayload]:
    if encrypt:
        return put_sealed(part.source, content_type=part.content_type)
    file = put_stream(part.source, content_type=part.content_type)
    return file, file


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UploadNotFoundError(f"There is no upload {text!r}.") from None
