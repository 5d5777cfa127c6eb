"""Attach to a job the files that its input refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import IO, LiteralString
from uuid import UUID

import msgspec

from jobs.core.errors import PartNotFoundError, UploadNotFoundError
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.file_references import Reference, references, stored_form
from jobs.core.submission.request import Admitted, JobRequest, admit
from jobs.db.positional import fetch_all
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
_UPLOADS: LiteralString = """
SELECT id, name, size, sha256, content_type FROM jobs_upload
WHERE client_id = %s AND id = ANY(%s) AND expires_at > now()
"""


def attached(owner: Owner, request: JobRequest, version: VersionInfo, parts: Parts) -> Admitted | None:
    """Return the job with the files that it refers to; None without any.

    Where the version encrypts, parts are stored sealed; `with_sealed_files` is to see to uploads.
    UploadNotFoundError, also for another client's upload, PartNotFoundError or EncryptionUnavailableError.
    """
    wanted = references(request.input)
    if not wanted:
        return None
    files = _uploads(owner, wanted) | _parts(parts, wanted, encrypt=version.secrecy.encrypt)
    return _with_files(request, version, files)


def _with_files(request: JobRequest, version: VersionInfo, files: Files) -> Admitted:
    given = {reference: pair[0] for reference, pair in files.items()}
    stored = msgspec.structs.replace(request, input=stored_form(request.input, given))
    job = admit(stored, version)
    size = job.size + sum(file.size for file in given.values()) if version.pads else 0
    return replace(job, files=tuple(kept for _, kept in files.values()), size=size)


def _uploads(owner: Owner, wanted: Iterable[Reference]) -> Files:
    named = {reference: _uuid(reference.named) for reference in wanted if reference.how == "upload"}
    if not named:
        return {}
    rows = fetch_all(_UPLOADS, (owner.id, list(named.values())))
    found = {row[0]: StoredPayload(*row[1:]) for row in rows}
    if missing := [reference.named for reference, key in named.items() if key not in found]:
        raise UploadNotFoundError(f"There is no upload {missing[0]}.")
    return {reference: (found[key], found[key]) for reference, key in named.items()}


def _parts(parts: Parts, wanted: Iterable[Reference], *, encrypt: bool) -> Files:
    named = [reference for reference in wanted if reference.how == "part"]
    if missing := [reference.named for reference in named if reference.named not in parts]:
        raise PartNotFoundError(f"There is no file part {missing[0]!r} in this call.")
    return {reference: _of_part(parts[reference.named], encrypt=encrypt) for reference in named}


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
