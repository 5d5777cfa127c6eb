"""Seal again, under the key that is the first now, what older keys sealed; the only updates of these tables.

The tables are walked along their primary keys, a page of rows at a time. A row is locked for as long as it
takes to seal it anew, and no job is: who reads it meanwhile has the old one whole or the new one whole.
What lies in the storage, files too, is sealed into a new object; `forget_payloads` deletes the old one a day
later, for whoever read the row before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString
from uuid import UUID

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import PayloadUnreadableError
from jobs.core.payloads.keyring import PLAIN, Column, Place
from jobs.core.payloads.pointer import files_of, names_of
from jobs.db.positional import execute, fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain, store_payload
from jobs.payloads.row_sealing import COLUMNS, unsealed_input
from jobs.payloads.sealed_objects import under_first_key
from jobs.payloads.sql import BYTES, FILES_BYTES
from jobs.services.access.audit import note

MOST_BYTES = 16_000_000  # of payloads in hand
NAMED = 20
_NOTHING = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of payloads: the page's statement, the rows' and the one that writes them."""

    page: LiteralString
    lock: LiteralString
    write: LiteralString
    again: Callable[[tuple[Any, ...]], tuple[Any, ...]]


@dataclass(slots=True)
class Rotated:
    """How many rows were sealed anew, how many were looked at, and which could not be read."""

    rows: int = 0
    looked_at: int = 0
    unreadable: list[UUID] = field(default_factory=list)


def rotate_payload_keys(*, actor: str, batch: int, rate: float | None = None) -> Rotated:
    """Seal every older row anew, up to `batch` a transaction and `rate` a second; EncryptionUnavailableError.

    Safe to break off, and to run again: rows of jobs that end meanwhile may be sealed by an older process.
    """
    newest, told = vault.keyring().encoding, Rotated()
    for table in (_INPUTS, _RESULTS):
        for jobs in _pages(table, newest, batch, told):
            started = time.monotonic()
            _rotate(table, jobs, newest, told)
            if rate:
                time.sleep(max(0.0, len(jobs) / rate - (time.monotonic() - started)))
    note(AuditKind.ROTATE_KEYS, actor=actor, rows=told.rows, unreadable=len(told.unreadable), encoding=newest)
    return told


def _pages(table: _Table, newest: str, batch: int, told: Rotated) -> Iterator[list[UUID]]:
    """Yield the ids of rows that another key sealed, page by page, never too many bytes of them."""
    after = _NOTHING
    while rows := fetch_all(table.page, (after, batch)):
        after, told.looked_at = rows[-1][0], told.looked_at + len(rows)
        jobs, size = list[UUID](), 0
        for job, encoding, length in rows:
            if encoding in {PLAIN, newest}:
                continue
            if jobs and size + length > MOST_BYTES:
                yield jobs
                jobs, size = [], 0
            jobs, size = [*jobs, job], size + length
        if jobs:
            yield jobs


@transaction.atomic
def _rotate(table: _Table, jobs: Sequence[UUID], newest: str, told: Rotated) -> None:
    again = []
    for row in execute(table.lock, (list(jobs), newest)):
        try:
            again.append(table.again(row))
        except PayloadUnreadableError:
            told.unreadable.append(row[0])
    if again:
        columns = {f"a{at}": list(column) for at, column in enumerate(zip(*again, strict=True))}
        execute(table.write, columns | {"encoding": newest})
    told.rows += len(again)


def _input_again(row: tuple[Any, ...]) -> tuple[Any, ...]:
    job, encoding, *stored = row
    plain = unsealed_input(job, dict(zip(COLUMNS, stored, strict=True)), encoding)
    body, *beside = (_sealed_again(job, COLUMNS[name], body) for name, body in plain.items())
    return (job, None if body is None else _checked_in_again(body, stored[0]), *beside)


def _checked_in_again(body: bytes, before: bytes) -> bytes:
    files = [under_first_key(file) for file in files_of(before)]
    return store_payload(body, files, names_of(before))


def _sealed_again(job: UUID, column: Column, plain: bytes | None) -> bytes | None:
    return None if plain is None else vault.seal(plain, Place(job, column))


def _result_again(row: tuple[Any, ...]) -> tuple[Any, ...]:
    job, encoding, source, body = row
    place = Place(source or job, Column.RESULT)
    return job, _checked_in_again(vault.seal(load_plain(body, encoding, place), place), body)


_INPUTS: Final = _Table(
    page=f"""
SELECT job_id, encoding, {BYTES.format("body")} + COALESCE(length(parameters), 0)
  + COALESCE(length(metadata), 0) + {FILES_BYTES.format("body")}
FROM jobs_jobinput WHERE job_id > %s ORDER BY job_id LIMIT %s
""",  # noqa: S608  # built from our own constants
    lock="""
SELECT job_id, encoding, body, parameters, metadata FROM jobs_jobinput
WHERE job_id = ANY(%s) AND encoding NOT IN ('identity', %s) ORDER BY job_id FOR UPDATE
""",
    write="""
UPDATE jobs_jobinput SET body = again.body, parameters = again.parameters, metadata = again.metadata,
  encoding = %(encoding)s
FROM unnest(%(a0)s::uuid[], %(a1)s::bytea[], %(a2)s::bytea[], %(a3)s::bytea[])
  AS again(id, body, parameters, metadata)
WHERE job_id = again.id
""",
    again=_input_again,
)
_RESULTS: Final = _Table(
    page=f"""
SELECT job_id, encoding, {BYTES.format("body")} FROM jobs_jobresult
WHERE job_id > %s ORDER BY job_id LIMIT %s
""",  # noqa: S608
    lock="""
SELECT job_id, encoding, source, body FROM jobs_jobresult
WHERE job_id = ANY(%s) AND encoding NOT IN ('identity', %s) ORDER BY job_id FOR UPDATE
""",
    write="""
UPDATE jobs_jobresult SET body = again.body, encoding = %(encoding)s
FROM unnest(%(a0)s::uuid[], %(a1)s::bytea[]) AS again(id, body) WHERE job_id = again.id
""",
    again=_result_again,
)
