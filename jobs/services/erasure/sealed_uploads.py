"""The uploads that an encrypted job's files were sealed from: the job points at the sealed copies only.

Its input names the files by their SHA-256, as they were before they were sealed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.errors import PayloadUnreadableError
from jobs.core.payloads.keyring import PLAIN, Column, Place
from jobs.core.payloads.pointer import files_of
from jobs.core.submission.file_references import FILE
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.claim_check import load_plain
from jobs.payloads.sql import IS_POINTER

log = logging.getLogger(__name__)


class _SealedRow(NamedTuple):
    job: UUID
    client: int
    body: bytes
    encoding: str


_SEALED = Statement(
    f"""
SELECT input.job_id AS job, job.client_id AS client, input.body, input.encoding
FROM jobs_jobinput input JOIN jobs_job job ON job.id = input.job_id
WHERE input.job_id = ANY(%(jobs)s::uuid[]) AND {IS_POINTER.format("input.body")}
""",  # noqa: S608  # built from our own constants
    _SealedRow,
)
_UPLOADS = Statement(
    "SELECT name FROM jobs_upload WHERE client_id = %(client)s AND sha256 = ANY(%(digests)s::text[])", str
)


def uploads_of(jobs: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the names of the uploads that are still there of jobs whose files are sealed."""
    rows = fetch_all(_SEALED, {"jobs": list(jobs)})
    sealed = [row for row in rows if any(file.encoding != PLAIN for file in files_of(row.body))]
    return {row.job: names for row in sealed if (names := _uploads(row))}


def _uploads(row: _SealedRow) -> list[str]:
    try:
        value = msgspec.json.decode(load_plain(row.body, row.encoding, Place(row.job, Column.INPUT)))
    except PayloadUnreadableError as error:
        log.warning("the uploads of job %s stay until they expire: %s", row.job, error)
        return []
    digests = list(_digests(value))
    return fetch_all(_UPLOADS, {"client": row.client, "digests": digests}) if digests else []


def _digests(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(file := value.get(FILE), dict):
            yield str(file.get("sha256"))
        for part in value.values():
            yield from _digests(part)
    elif isinstance(value, list):
        for part in value:
            yield from _digests(part)
