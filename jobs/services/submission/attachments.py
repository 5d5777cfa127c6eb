"""Attach to a job the files that its input refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import IO, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings

from jobs.core.errors import EncryptionUnavailableError, PartNotFoundError, UploadNotFoundError
from jobs.core.payloads.keyring import PLAIN
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.file_references import Reference, references, stored_form
from jobs.core.submission.parsed_job import ParsedJob, parse_job
from jobs.core.submission.request import JobRequest
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.sealed_objects import put_file
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
    sealed: bytes | None

    @property
    def pair(self) -> tuple[StoredPayload, StoredPayload]:
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


def attached(owner: Owner, request: JobRequest, version: VersionInfo, parts: Parts) -> ParsedJob | None:
    """Return the job with the files that it refers to; None without any.

    Parts are stored here, sealed where keys are set. UploadNotFoundError, also for another client's upload,
    and for one in clear where the version encrypts; PartNotFoundError or EncryptionUnavailableError.
    """
    referred = references(request.input)
    if not referred:
        return None
    encrypts = version.secrecy.encrypt
    if encrypts and not settings.INFERENCE.seals:
        raise EncryptionUnavailableError
    files = _uploads(owner, referred, encrypts=encrypts) | _parts(owner, parts, referred)
    return _with_files(request, version, files)


def _with_files(request: JobRequest, version: VersionInfo, files: Files) -> ParsedJob:
    given = {reference: pair[0] for reference, pair in files.items()}
    stored = msgspec.structs.replace(request, input=stored_form(request.input, given))
    job = parse_job(stored, version)
    size = job.size + sum(file.size for file in given.values()) if version.padded else 0
    return replace(job, files=tuple(stored_file for _, stored_file in files.values()), size=size)


def _uploads(owner: Owner, referred: Iterable[Reference], *, encrypts: bool) -> Files:
    named = {reference: _uuid(reference.name) for reference in referred if reference.source == "upload"}
    if not named:
        return {}
    rows = fetch_all(_UPLOADS, {"client": owner.id, "ids": list(named.values())})
    files = {row.id: row.pair for row in rows}
    if missing := [reference.name for reference, key in named.items() if key not in files]:
        raise UploadNotFoundError(f"There is no upload {missing[0]}.")
    if encrypts and any(stored.encoding == PLAIN for _, stored in files.values()):
        raise UploadNotFoundError("An upload was stored before keys were set: upload it again.")
    return {reference: files[key] for reference, key in named.items()}


def _parts(owner: Owner, parts: Parts, referred: Iterable[Reference]) -> Files:
    named = [reference for reference in referred if reference.source == "part"]
    if missing := [reference.name for reference in named if reference.name not in parts]:
        raise PartNotFoundError(f"There is no file part {missing[0]!r} in this call.")
    return {reference: _of_part(owner, parts[reference.name]) for reference in named}


def _of_part(owner: Owner, part: Part) -> tuple[StoredPayload, StoredPayload]:
    return put_file(part.source, client=owner.id, content_type=part.content_type)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UploadNotFoundError(f"There is no upload {text!r}.") from None
