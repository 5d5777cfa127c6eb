"""Attach to a job the files that its input refers to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import IO, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings

from jobs.core.errors import PartNotFoundError, UploadNotFoundError
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.file_references import Reference, outline, stored_form
from jobs.core.submission.input_size import MOST_SIZE, check_resolved, memory_bytes, resolved_bytes
from jobs.core.submission.parsed_job import ParsedJob, parse_job
from jobs.core.submission.request import JobRequest
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.object_store import put_stream
from jobs.payloads.sealed_objects import put_sealed
from jobs.services.access.owner import Owner
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_outline


@dataclass(frozen=True, slots=True)
class Part:
    """A file that came with a call; it is stored when it is referred to."""

    source: IO[bytes]
    content_type: str


Parts = Mapping[str, Part]
Files = dict[Reference, tuple[StoredPayload, StoredPayload]]  # each as it was given, and as it is stored
Uploads = Mapping[UUID, StoredPayload]
NO_PARTS: Parts = {}
SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class FilesOfCall:
    """What the jobs of a call may refer to."""

    uploads: Uploads
    parts: Parts


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


def uploads_of(owner: Owner, referred: Iterable[Reference]) -> Uploads:
    """Return those of the referred uploads that the client has, for all jobs of a call in one statement."""
    ids = {key for reference in referred if (key := _uuid(reference))}
    rows = fetch_all(_UPLOADS, {"client": owner.id, "ids": list(ids)}) if ids else []
    return {row.id: StoredPayload(row.name, row.size, row.sha256, row.content_type) for row in rows}


def attached(
    request: JobRequest, version: VersionInfo, referred: Counter[Reference], files: FilesOfCall
) -> ParsedJob:
    """Return the job with the files that it refers to, so often each.

    Nothing of a file is read: the schema is checked around the files, and their sizes are known. Where the
    version encrypts, parts are stored sealed; `sealed_files` seals uploads later. UploadNotFoundError, also
    for another client's upload, PartNotFoundError, EncryptionUnavailableError, InputTooLargeError or
    InvalidInputError.
    """
    held = _uploads(files.uploads, referred)
    held |= _parts(files.parts, referred, encrypt=version.secrecy.encrypt)
    given = {reference: pair[0] for reference, pair in held.items()}
    stored = msgspec.structs.replace(request, input=stored_form(request.input, given))
    validate_outline(version, *outline(stored.input))
    job = parse_job(stored, version)
    each = [given[reference] for reference in referred.elements()]
    total = resolved_bytes(len(job.body), each)
    check_resolved(total, settings.INFERENCE.max_resolved_bytes)
    size = min(total if version.padded else memory_bytes(job.body, each), MOST_SIZE)
    return replace(job, files=tuple(stored_file for _, stored_file in held.values()), size=size)


def _uploads(uploads: Uploads, referred: Iterable[Reference]) -> Files:
    named = [reference for reference in referred if reference.source == "upload"]
    found = {reference: uploads.get(key) for reference in named if (key := _uuid(reference))}
    if missing := [reference.name for reference in named if found.get(reference) is None]:
        raise UploadNotFoundError(f"There is no upload {missing[0][:SHOWN_CHARS]!r}.")
    return {reference: (file, file) for reference, file in found.items() if file}


def _parts(parts: Parts, referred: Iterable[Reference], *, encrypt: bool) -> Files:
    named = [reference for reference in referred if reference.source == "part"]
    if missing := [reference.name for reference in named if reference.name not in parts]:
        raise PartNotFoundError(f"There is no file part {missing[0][:SHOWN_CHARS]!r} in this call.")
    return {reference: _of_part(parts[reference.name], encrypt=encrypt) for reference in named}


def _of_part(part: Part, *, encrypt: bool) -> tuple[StoredPayload, StoredPayload]:
    if encrypt:
        return put_sealed(part.source, content_type=part.content_type)
    file = put_stream(part.source, content_type=part.content_type)
    return file, file


def _uuid(reference: Reference) -> UUID | None:
    try:
        return UUID(reference.name) if reference.source == "upload" else None
    except ValueError:
        return None
