"""What people are shown of a job's payloads: unsealed, with tokens for personal data, and bounded.

Personal data is what a schema marks, and each marked value of the input wherever else it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from jobs.core.canonical_json import canonical_bytes
from jobs.core.payloads.keyring import Column, Place
from jobs.core.payloads.pointer import POINTER_BYTES
from jobs.core.payloads.redaction import Redactor
from jobs.db.positional import fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import head_of, load_plain
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import View
from models_registry.core import pii
from models_registry.core.secrecy import Secrecy
from models_registry.selectors import info

WHOLE = 1 << 30  # no row of Postgres is longer
_VERSION: LiteralString = "SELECT version_id FROM jobs_job WHERE id = %s"
# Written out, so that each is a constant.
_HEADS: Final[Mapping[Column, LiteralString]] = {
    Column.INPUT: "SELECT substr(body, 1, %s), length(body) FROM jobs_jobinput WHERE job_id = %s",
    Column.PARAMETERS: """
SELECT substr(parameters, 1, %s), length(parameters) FROM jobs_jobinput WHERE job_id = %s
""",
    Column.METADATA: "SELECT substr(metadata, 1, %s), length(metadata) FROM jobs_jobinput WHERE job_id = %s",
    Column.RESULT: "SELECT substr(body, 1, %s), length(body) FROM jobs_jobresult WHERE job_id = %s",
}
_WHOSE: LiteralString = "SELECT version_id, client_id FROM jobs_job WHERE id = %s"
_OF_A_VIEW: Final[Mapping[str, Column]] = {"metadata": Column.METADATA, "output": Column.RESULT}
_WHOLE: LiteralString = """
SELECT i.body, i.parameters, i.metadata, i.encoding, r.body, r.encoding, COALESCE(r.source, r.job_id)
FROM jobs_jobinput i LEFT JOIN jobs_jobresult r USING (job_id) WHERE i.job_id = %s
"""
_AT: Final[Mapping[Column, int]] = {Column.INPUT: 0, Column.PARAMETERS: 1, Column.METADATA: 2}


@dataclass(frozen=True, slots=True)
class Shown:
    """A payload's first bytes, and how many it has in all; `tokenized` says that tokens may stand in it."""

    head: bytes
    total: int
    tokenized: bool = False

    @property
    def is_whole(self) -> bool:
        """Say whether `head` is all of it."""
        return len(self.head) == self.total


def shown(job_id: UUID, column: Column, *, most: int = WHOLE) -> Shown | None:
    """Return up to `most` bytes of a payload; None where the job has none. PayloadUnreadableError."""
    secrecy = secrecy_of(job_id)
    if secrecy is None:
        return None
    if not secrecy.guarded:
        rows = fetch_all(_HEADS[column], (max(most, POINTER_BYTES), job_id))
        if not rows or rows[0][0] is None:
            return None
        body, total = rows[0]
        return Shown(*head_of(body, total, most))
    body = _guarded(job_id, column, secrecy)
    return None if body is None else Shown(body[:most], len(body), tokenized=secrecy.personal)


def view_for(owner: Owner, view: View) -> View:
    """Return a job's view as `owner` may have it: an admin has another's with tokens for personal data."""
    rows = fetch_all(_WHOSE, (view["id"],)) if owner.reach is None else []
    if not rows or rows[0][1] == owner.id or not info(rows[0][0]).secrecy.personal:
        return view
    told = {
        name: shown(view["id"], column) for name, column in _OF_A_VIEW.items() if view.get(name) is not None
    }
    return view | {name: msgspec.Raw(found.head) for name, found in told.items() if found is not None}


def secrecy_of(job_id: UUID) -> Secrecy | None:
    """Return the secrecy of a job's version; None where there is no such job."""
    rows = fetch_all(_VERSION, (job_id,))
    return info(rows[0][0]).secrecy if rows else None


def plain_input(job_id: UUID) -> Any:
    """Return what a job was asked, in clear, for what must not leave the process; None without a job."""
    rows = fetch_all(_WHOLE, (job_id,))
    return _decoded(job_id, rows[0][0], rows[0][3]) if rows else None


def _decoded(job_id: UUID, body: bytes, encoding: str) -> Any:
    return msgspec.json.decode(load_plain(body, encoding, Place(job_id, Column.INPUT)))


def _guarded(job_id: UUID, column: Column, secrecy: Secrecy) -> bytes | None:
    rows = fetch_all(_WHOLE, (job_id,))
    if not rows:
        return None
    *asked, asked_as, told, told_as, source = rows[0]
    stored, encoding = (told, told_as) if column is Column.RESULT else (asked[_AT[column]], asked_as)
    if stored is None:
        return None
    run = source if column is Column.RESULT else job_id
    plain = load_plain(stored, encoding, Place(run, column))
    if not secrecy.personal:
        return plain
    return _tokenized(plain, column, secrecy, _decoded(job_id, asked[0], asked_as))


def _tokenized(plain: bytes, column: Column, secrecy: Secrecy, asked: Any) -> bytes:
    marks = {Column.INPUT: secrecy.input_marks, Column.RESULT: secrecy.output_marks}.get(column, {})
    parts = pii.marked(secrecy.input_marks, asked) if secrecy.input_marks else []
    value = pii.replaced(marks, msgspec.json.decode(plain), vault.token)
    return canonical_bytes(Redactor(parts, names=secrecy.names, token=vault.token).value(value))
