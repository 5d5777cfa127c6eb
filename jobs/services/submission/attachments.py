"""Attach to a job the files that its input refers to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import IO, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings

from jobs.core.errors import EncryptionUnavailableError, PartNotFoundError, UploadNotFoundError
from jobs.core.payloads.keyring import PLAIN
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.file_references import Reference, stored_form
from jobs.core.submission.input_size import MOST_SIZE, check_resolved, memory_bytes, resolved_bytes
from jobs.core.submission.parsed_job import ParsedJob
from jobs.core.submission.request import JobRequest
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.sealed_objects import put_file
from jobs.services.access.owner import Owner


@dataclass(frozen=True, slots=True)
class Part:
    """A file that came with a call; it is stored when it is referred to."""

    source: IO[bytes]
    content_type: str


Parts = Mapping[str, Part]
Pair = tuple[StoredPayload, StoredPayload]  # a file as it was given, and as it is stored
Files = dict[Reference, Pair]
Uploads = Mapping[UUID, Pair]
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
    sealed: bytes | None

    @property
    def pair(self) -> Pair:
        """Return the file in its plain and in its stored form."""
        file = StoredPayload(self.name, self.size, self.sha256, self.content_type)
        return file, file if self.sealed is None else msgspec.json.decode(self.sealed, type=StoredPayload)


_UPLOADS = Statement(
    """
SELECT id, name, size, sha256, content_type, sealed FROM jobs_upload
WHERE client_id = %(client)s AND id = ANY(%(ids)s) AND expires_at > now()
""",
    _UploadRow,
)


def uploads_of(owner: Owner, referred: Iterable[Reference]) -> Uploads:
    """Return those of the referred uploads that the client has, for all jobs of a call in one statement."""
    ids = {key for reference in referred if (key := _uuid(reference))}
    rows = fetch_all(_UPLOADS, {"client": owner.id, "ids": list(ids)}) if ids else []
    return {row.id: row.pair for row in rows}


def held_files(owner: Owner, referred: Iterable[Reference], files: FilesOfCall, *, encrypts: bool) -> Files:
    """Return the files that a job refers to; parts are stored here, sealed where keys are set.

    UploadNotFoundError, also for another client's upload, and for one in clear where the job may be
    encrypted; PartNotFoundError, EncryptionUnavailableError.
    """
    if encrypts and not settings.INFERENCE.seals:
        raise EncryptionUnavailableError
    return _uploads(files.uploads, referred, encrypts=encrypts) | _parts(owner, files.parts, referred)


def with_files(request: JobRequest, held: Files) -> JobRequest:
    """Return a request with its input as it is stored: equal files make equal inputs."""
    given = {reference: pair[0] for reference, pair in held.items()}
    return msgspec.structs.replace(request, input=stored_form(request.input, given))


def sized_with(job: ParsedJob, referred: Counter[Reference], held: Files) -> ParsedJob:
    """Return a job with the files that it refers to, so often each; InputTooLargeError.

    Nothing of a file is read: their sizes are known.
    """
    each = [held[reference][0] for reference in referred.elements()]
    total = resolved_bytes(len(job.body), each)
    check_resolved(total, settings.INFERENCE.max_resolved_bytes)
    size = min(total if job.version.padded else memory_bytes(job.body, each), MOST_SIZE)
    return replace(job, files=tuple(stored_file for _, stored_file in held.values()), size=size)


def _uploads(uploads: Uploads, referred: Iterable[Reference], *, encrypts: bool) -> Files:
    named = [reference for reference in referred if reference.source == "upload"]
    found = {reference: uploads.get(key) for reference in named if (key := _uuid(reference))}
    if missing := [reference.name for reference in named if found.get(reference) is None]:
        raise UploadNotFoundError(f"There is no upload {missing[0][:SHOWN_CHARS]!r}.")
    files = {reference: pair for reference, pair in found.items() if pair}
    if encrypts and any(stored.encoding == PLAIN for _, stored in files.values()):
        raise UploadNotFoundError("An upload was stored before keys were set: upload it again.")
    return files


def _parts(owner: Owner, parts: Parts, referred: Iterable[Reference]) -> Files:
    named = [reference for reference in referred if reference.source == "part"]
    if missing := [reference.name for reference in named if reference.name not in parts]:
        raise PartNotFoundError(f"There is no file part {missing[0][:SHOWN_CHARS]!r} in this call.")
    return {reference: _of_part(owner, parts[reference.name]) for reference in named}


def _of_part(owner: Owner, part: Part) -> Pair:
    return put_file(part.source, client=owner.id, content_type=part.content_type)


def _uuid(reference: Reference) -> UUID | None:
    try:
        return UUID(reference.name) if reference.source == "upload" else None
    except ValueError:
        return None
