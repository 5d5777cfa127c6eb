"""Seal payloads again under the first key; besides edits of dead jobs, the only updates of these tables.

The tables are walked along their primary keys, a page of rows at a time. A row is locked only while it is
sealed again, and no job is locked; a reader meanwhile gets the old row or the new one. Objects in the storage
are sealed into new objects. `forget_payloads` deletes the old ones a day later, so that readers of the old
row can still fetch them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import PayloadUnreadableError
from jobs.core.payloads.keyring import PLAIN, Column, Place
from jobs.core.payloads.pointer import files_of, names_of
from jobs.db.statement import Statement, execute, fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain, store_payload
from jobs.payloads.row_sealing import COLUMNS, unsealed_input
from jobs.payloads.sealed_objects import under_first_key
from jobs.payloads.sql import BYTES, FILES_BYTES
from jobs.services.access.audit import note
from jobs.services.access.known_keys import forget_older_keys

MOST_BYTES = 16_000_000  # of payloads in hand
NAMED = 20
_BEFORE_ALL = UUID(int=0)


class _RowToSeal(NamedTuple):
    """A row's key and the bytes of payload behind it."""

    job: UUID
    encoding: str
    bytes: int


@dataclass(frozen=True, slots=True)
class _InputRow:
    """A sealed input as it is stored."""

    job: UUID
    encoding: str
    body: bytes
    parameters: bytes | None
    metadata: bytes | None


@dataclass(frozen=True, slots=True)
class _ResultRow:
    """A sealed result as it is stored; it was sealed for the job `source`, None for its own."""

    job: UUID
    encoding: str
    source: UUID | None
    body: bytes


@dataclass(frozen=True, slots=True)
class _WordsRow:
    """A model's words about a failure, sealed, as they are stored."""

    job: UUID
    encoding: str
    words: bytes


Stored = TypeVar("Stored", _InputRow, _ResultRow, _WordsRow)
Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Table(Generic[Stored]):
    """A table of payloads: statements that page through it, lock rows and write them; and the sealing."""

    page: Statement[_RowToSeal]
    lock: Statement[Stored]
    write: Statement[None]
    seal_again: Callable[[Stored], Columns]


@dataclass(slots=True)
class Rotated:
    """The counts of a rotation: rows sealed again, rows looked at; and the jobs of unreadable payloads."""

    rows: int = 0
    looked_at: int = 0
    unreadable: list[UUID] = field(default_factory=list)


def rotate_payload_keys(*, actor: str, batch: int, rate: float | None = None) -> Rotated:
    """Seal older rows again, up to `batch` a transaction and `rate` a second; EncryptionUnavailableError.

    It may be interrupted and repeated. Repeat it once all processes have the new key: until then older ones
    may seal rows of jobs that end with the old key.
    """
    newest, rotated = vault.keyring().encoding, Rotated()
    tables: tuple[_Table[Any], ...] = (_INPUTS, _RESULTS, _WORDS)
    for table in tables:
        for jobs in _pages(table, newest, batch, rotated):
            started = time.monotonic()
            _rotate(table, jobs, newest, rotated)
            if rate:
                time.sleep(max(0.0, len(jobs) / rate - (time.monotonic() - started)))
    unreadable = len(rotated.unreadable)
    if not unreadable:
        forget_older_keys()
    note(AuditKind.ROTATE_KEYS, actor=actor, rows=rotated.rows, unreadable=unreadable, encoding=newest)
    return rotated


def _pages(table: _Table[Any], newest: str, batch: int, rotated: Rotated) -> Iterator[list[UUID]]:
    """Yield the jobs of rows that another key sealed, in pages of at most MOST_BYTES."""
    after = _BEFORE_ALL
    while rows := fetch_all(table.page, {"after": after, "most": batch}):
        after, rotated.looked_at = rows[-1].job, rotated.looked_at + len(rows)
        jobs, size = list[UUID](), 0
        for row in rows:
            if row.encoding in {PLAIN, newest}:
                continue
            if jobs and size + row.bytes > MOST_BYTES:
                yield jobs
                jobs, size = [], 0
            jobs, size = [*jobs, row.job], size + row.bytes
        if jobs:
            yield jobs


@transaction.atomic
def _rotate(table: _Table[Stored], jobs: Sequence[UUID], newest: str, rotated: Rotated) -> None:
    sealed = list[Columns]()
    for row in execute(table.lock, {"jobs": list(jobs), "newest": newest}):
        try:
            sealed.append(table.seal_again(row))
        except PayloadUnreadableError:
            rotated.unreadable.append(row.job)
    if sealed:
        arrays = {name: [columns[name] for columns in sealed] for name in sealed[0]}
        execute(table.write, arrays | {"encoding": newest})
    rotated.rows += len(sealed)


def _seal_input(row: _InputRow) -> Columns:
    stored = {"body": row.body, "parameters": row.parameters, "metadata": row.metadata}
    plain = unsealed_input(row.job, stored, row.encoding)
    sealed = {name: _sealed_again(row.job, COLUMNS[name], body) for name, body in plain.items()}
    return sealed | {"job": row.job, "body": _stored_again(sealed["body"] or b"", row.body)}


def _seal_result(row: _ResultRow) -> Columns:
    place = Place(row.source or row.job, Column.RESULT)
    sealed = vault.seal(load_plain(row.body, row.encoding, place), place)
    return {"job": row.job, "body": _stored_again(sealed, row.body)}


def _seal_words(row: _WordsRow) -> Columns:
    place = Place(row.job, Column.ERROR)
    return {"job": row.job, "words": vault.seal(vault.unseal(row.words, row.encoding, place), place)}


def _sealed_again(job: UUID, column: Column, plain: bytes | None) -> bytes | None:
    return None if plain is None else vault.seal(plain, Place(job, column))


def _stored_again(sealed: bytes, old_body: bytes) -> bytes:
    files = [under_first_key(file) for file in files_of(old_body)]
    return store_payload(sealed, files, names_of(old_body))


_INPUTS: Final = _Table(
    page=Statement(
        f"""
SELECT job_id AS job, encoding, {BYTES.format("body")} + COALESCE(length(parameters), 0)
  + COALESCE(length(metadata), 0) + {FILES_BYTES.format("body")} AS bytes
FROM jobs_jobinput WHERE job_id > %(after)s ORDER BY job_id LIMIT %(most)s
""",  # noqa: S608  # built from our own constants
        _RowToSeal,
    ),
    lock=Statement(
        """
SELECT job_id AS job, encoding, body, parameters, metadata FROM jobs_jobinput
WHERE job_id = ANY(%(jobs)s) AND encoding NOT IN ('identity', %(newest)s) ORDER BY job_id FOR UPDATE
""",
        _InputRow,
    ),
    write=Statement("""
UPDATE jobs_jobinput SET body = again.body, parameters = again.parameters, metadata = again.metadata,
  encoding = %(encoding)s
FROM unnest(%(job)s::uuid[], %(body)s::bytea[], %(parameters)s::bytea[], %(metadata)s::bytea[])
  AS again(id, body, parameters, metadata)
WHERE job_id = again.id
"""),
    seal_again=_seal_input,
)
_RESULTS: Final = _Table(
    page=Statement(
        f"""
SELECT job_id AS job, encoding, {BYTES.format("body")} AS bytes FROM jobs_jobresult
WHERE job_id > %(after)s ORDER BY job_id LIMIT %(most)s
""",  # noqa: S608
        _RowToSeal,
    ),
    lock=Statement(
        """
SELECT job_id AS job, encoding, source, body FROM jobs_jobresult
WHERE job_id = ANY(%(jobs)s) AND encoding NOT IN ('identity', %(newest)s) ORDER BY job_id FOR UPDATE
""",
        _ResultRow,
    ),
    write=Statement("""
UPDATE jobs_jobresult SET body = again.body, encoding = %(encoding)s
FROM unnest(%(job)s::uuid[], %(body)s::bytea[]) AS again(id, body) WHERE job_id = again.id
"""),
    seal_again=_seal_result,
)
_WORDS: Final = _Table(
    page=Statement(
        """
SELECT job_id AS job, words_encoding AS encoding, length(words) AS bytes FROM jobs_deadletter
WHERE job_id > %(after)s AND words IS NOT NULL ORDER BY job_id LIMIT %(most)s
""",
        _RowToSeal,
    ),
    lock=Statement(
        """
SELECT job_id AS job, words_encoding AS encoding, words FROM jobs_deadletter
WHERE job_id = ANY(%(jobs)s) AND words IS NOT NULL AND words_encoding <> %(newest)s
ORDER BY job_id FOR UPDATE
""",
        _WordsRow,
    ),
    write=Statement("""
UPDATE jobs_deadletter SET words = again.words, words_encoding = %(encoding)s
FROM unnest(%(job)s::uuid[], %(words)s::bytea[]) AS again(id, words) WHERE job_id = again.id
"""),
    seal_again=_seal_words,
)
