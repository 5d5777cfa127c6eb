"""Attach to a job the files that its input refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import LiteralString
from uuid import UUID

import msgspec

from jobs.core.admission import Admitted, JobRequest, admit
from jobs.core.errors import FilesRefusedError, PartNotFoundError, UploadNotFoundError
from jobs.core.payload import Stored
from jobs.core.references import Reference, references, stored_form
from jobs.selectors.statement import fetch_all
from jobs.selectors.tokens import Owner
from models_registry.core.version import VersionInfo

Parts = Mapping[str, Callable[[], Stored]]  # each is stored when it is referred to
NO_PARTS: Parts = {}
_UPLOADS: LiteralString = """
SELECT id, name, size, sha256, content_type FROM jobs_upload
WHERE client_id = %s AND id = ANY(%s) AND expires_at > now()
"""


def attached(owner: Owner, request: JobRequest, version: VersionInfo, parts: Parts) -> Admitted | None:
    """Return the job with the files that it refers to; None where it refers to none.

    UploadNotFoundError, also for another client's upload, PartNotFoundError or FilesRefusedError.
    """
    wanted = references(request.input)
    if not wanted:
        return None
    if version.secrecy.encrypt:
        raise FilesRefusedError
    files = _uploads(owner, wanted) | _parts(parts, wanted)
    stored = msgspec.structs.replace(request, input=stored_form(request.input, files))
    job = admit(stored, version)
    size = job.size + sum(file.size for file in files.values()) if version.pads else 0
    return replace(job, files=tuple(files.values()), size=size)


def _uploads(owner: Owner, wanted: Iterable[Reference]) -> dict[Reference, Stored]:
    named = {reference: _uuid(reference.named) for reference in wanted if reference.how == "upload"}
    if not named:
        return {}
    rows = fetch_all(_UPLOADS, (owner.id, list(named.values())))
    found = {row[0]: Stored(*row[1:]) for row in rows}
    if missing := [reference.named for reference, key in named.items() if key not in found]:
        raise UploadNotFoundError(f"There is no upload {missing[0]}.")
    return {reference: found[key] for reference, key in named.items()}


def _parts(parts: Parts, wanted: Iterable[Reference]) -> dict[Reference, Stored]:
    named = [reference for reference in wanted if reference.how == "part"]
    if missing := [reference.named for reference in named if reference.named not in parts]:
        raise PartNotFoundError(f"There is no file part {missing[0]!r} in this call.")
    return {reference: parts[reference.named]() for reference in named}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UploadNotFoundError(f"There is no upload {text!r}.") from None
