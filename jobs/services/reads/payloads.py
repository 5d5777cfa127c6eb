"""A job's payloads as people may see them: in clear, with tokens for personal data, and bounded.

Personal data is what a schema marks. Parameters and metadata have no schema, and an output's may mark nothing
although a model echoes its input: of a version with personal data, one token replaces these as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.canonical_json import canonical_bytes
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import Column
from jobs.core.payloads.pointer import POINTER_BYTES
from jobs.core.payloads.stored_output import is_bytes, output_json
from jobs.db.statement import Statement, fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import head_of, load_plain
from jobs.payloads.job_seal import JobSeal
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ENCRYPTS, View
from models_registry.core import pii
from models_registry.core.secrecy import Secrecy
from models_registry.selectors import info

ALL_BYTES = 1 << 30  # no row of Postgres is longer
MOST_AS_JSON = 1 << 20
_OF_A_VIEW: Final[Mapping[str, Column]] = {"metadata": Column.METADATA, "output": Column.RESULT}


class _VersionAndClient(NamedTuple):
    version: int
    client: int


class _Head(NamedTuple):
    """The first bytes of a column and its size, both None for NULL."""

    head: bytes | None
    total: int | None


@dataclass(frozen=True, slots=True)
class _StoredPayloads:
    """A job's payloads as they are stored; where `source` is another job, the output is a copy of its own."""

    input: bytes
    parameters: bytes | None
    metadata: bytes | None
    input_encoding: str
    output: bytes | None
    output_encoding: str | None
    source: UUID | None
    job: UUID
    client: int
    model: int
    encrypts: bool
    wrapped: bytes | None
    answer: bytes | None

    @property
    def seal(self) -> JobSeal:
        """Return what opens the payloads."""
        identity = JobIdentity(self.job, self.client, self.model)
        return JobSeal(identity, self.wrapped, self.answer, encrypts=self.encrypts, run=self.source)


_JOB = Statement(
    "SELECT version_id AS version, client_id AS client FROM jobs_job WHERE id = %(job)s", _VersionAndClient
)
# Written out, because a statement's text is a constant.
_HEADS: Final[Mapping[Column, Statement[_Head]]] = {
    Column.INPUT: Statement(
        """
SELECT substr(body, 1, %(most)s) AS head, length(body) AS total FROM jobs_jobinput WHERE job_id = %(job)s
""",
        _Head,
    ),
    Column.PARAMETERS: Statement(
        """
SELECT substr(parameters, 1, %(most)s) AS head, length(parameters) AS total
FROM jobs_jobinput WHERE job_id = %(job)s
""",
        _Head,
    ),
    Column.METADATA: Statement(
        """
SELECT substr(metadata, 1, %(most)s) AS head, length(metadata) AS total
FROM jobs_jobinput WHERE job_id = %(job)s
""",
        _Head,
    ),
    Column.RESULT: Statement(
        """
SELECT substr(body, 1, %(most)s) AS head, length(body) AS total FROM jobs_jobresult WHERE job_id = %(job)s
""",
        _Head,
    ),
}


def _stored(payloads: LiteralString) -> Statement[_StoredPayloads]:
    """Return the read of a job's payloads; `payloads` are the columns that may be large."""
    return Statement(
        f"""
SELECT {payloads}, i.parameters, i.metadata, i.encoding AS input_encoding,
  r.encoding AS output_encoding, r.source, j.id AS job, j.client_id AS client, v.model_id AS model,
  {ENCRYPTS} AS encrypts, k.wrapped, k.answer
FROM jobs_jobinput i JOIN jobs_job j ON j.id = i.job_id
JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN jobs_jobresult r USING (job_id) LEFT JOIN jobs_jobkey k USING (job_id) WHERE i.job_id = %(job)s
""",  # noqa: S608  # built from our own constants
        _StoredPayloads,
    )


_STORED = _stored("i.body AS input, r.body AS output")
_ASIDES = _stored("''::bytea AS input, NULL::bytea AS output")


@dataclass(frozen=True, slots=True)
class ShownPayload:
    """A payload's first bytes, and its size; where `tokenized`, tokens may stand for personal data."""

    head: bytes
    total: int
    tokenized: bool = False

    @property
    def is_complete(self) -> bool:
        """Return whether `head` is the whole payload."""
        return len(self.head) == self.total


def show_payload(job_id: UUID, column: Column, *, most: int = ALL_BYTES) -> ShownPayload | None:
    """Return up to `most` bytes of a payload; None where the job has none. PayloadUnreadableError."""
    secrecy = secrecy_of(job_id)
    if secrecy is None:
        return None
    if not secrecy.guarded:
        return _plain_head(job_id, column, most)
    body = _guarded_body(job_id, column, secrecy)
    return None if body is None else ShownPayload(body[:most], len(body), tokenized=secrecy.personal)


def view_for(owner: Owner, view: View) -> View:
    """Return a job's view as `owner` may see it: an admin gets tokens for other clients' personal data."""
    jobs = fetch_all(_JOB, {"job": view["id"]}) if owner.reach is None else []
    if not jobs or jobs[0].client == owner.id or not info(jobs[0].version).secrecy.personal:
        return view
    payloads = {
        name: show_payload(view["id"], column)
        for name, column in _OF_A_VIEW.items()
        if view.get(name) is not None
    }
    return view | {name: msgspec.Raw(shown.head) for name, shown in payloads.items() if shown is not None}


def secrecy_of(job_id: UUID) -> Secrecy | None:
    """Return the secrecy of a job's version; None where there is no such job."""
    jobs = fetch_all(_JOB, {"job": job_id})
    return info(jobs[0].version).secrecy if jobs else None


def plain_input(job_id: UUID) -> Any:
    """Return a job's input in clear, which must not leave the process; None where it is gone."""
    rows = fetch_all(_STORED, {"job": job_id})
    return _decoded_input(rows[0]) if rows else None


def plain_column(job_id: UUID, column: Column) -> bytes | None:
    """Return a payload in clear, which must not leave the process; None where the job has none.

    PayloadUnreadableError.
    """
    rows = fetch_all(_STORED, {"job": job_id})
    return _plain_body(column, rows[0]) if rows else None


def plain_asides(job_id: UUID) -> tuple[bytes | None, bytes | None]:
    """Return a job's metadata and parameters in clear by one statement, which reads no other payload.

    They must not leave the process; None for one that the job has not. PayloadUnreadableError.
    """
    rows = fetch_all(_ASIDES, {"job": job_id})
    if not rows:
        return None, None
    return _plain_body(Column.METADATA, rows[0]), _plain_body(Column.PARAMETERS, rows[0])


def _plain_head(job_id: UUID, column: Column, most: int) -> ShownPayload | None:
    rows = fetch_all(_HEADS[column], {"most": max(most, POINTER_BYTES), "job": job_id})
    if not rows or rows[0].head is None or rows[0].total is None:
        return None
    head, total = head_of(rows[0].head, rows[0].total, most)
    if column is Column.RESULT and is_bytes(head):
        return _as_json(job_id, total, most)
    return ShownPayload(head, total)


def _as_json(job_id: UUID, total: int, most: int) -> ShownPayload | None:
    """Return an output of bytes as JSON; of a large one, of which little would be shown, only its size."""
    if most < ALL_BYTES and total > MOST_AS_JSON:
        text = canonical_bytes(f"{total} bytes, which are too many to be shown")
        return ShownPayload(text, len(text))
    rows = fetch_all(_STORED, {"job": job_id})
    body = _plain_body(Column.RESULT, rows[0]) if rows else None
    return None if body is None else ShownPayload(body[:most], len(body))


def _guarded_body(job_id: UUID, column: Column, secrecy: Secrecy) -> bytes | None:
    rows = fetch_all(_STORED, {"job": job_id})
    plain = _plain_body(column, rows[0]) if rows else None
    if plain is None or not secrecy.personal:
        return plain
    return _tokenized(plain, column, secrecy)


def _plain_body(column: Column, row: _StoredPayloads) -> bytes | None:
    if column is Column.RESULT:
        stored, encoding = row.output, row.output_encoding
    else:
        columns = {Column.INPUT: row.input, Column.PARAMETERS: row.parameters, Column.METADATA: row.metadata}
        stored, encoding = columns[column], row.input_encoding
    if stored is None or encoding is None:
        return None
    body = load_plain(stored, encoding, row.seal, column)
    return output_json(body) if column is Column.RESULT else body


def _decoded_input(row: _StoredPayloads) -> Any:
    return msgspec.json.decode(load_plain(row.input, row.input_encoding, row.seal, Column.INPUT))


def _tokenized(plain: bytes, column: Column, secrecy: Secrecy) -> bytes:
    value = msgspec.json.decode(plain)
    if column is Column.INPUT:
        return canonical_bytes(pii.replaced(secrecy.input_marks, value, vault.token))
    marks = secrecy.output_marks if column is Column.RESULT else {}
    return canonical_bytes(pii.replaced(marks, value, vault.token) if marks else vault.token(value))
