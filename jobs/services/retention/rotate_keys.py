"""Wrap data keys again under the first wrapping key; what they and the jobs' keys seal stays as it is.

There is a data key for each client and month, so a rotation of any number of jobs takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import PayloadUnreadableError
from jobs.core.payloads.job_keys import DataKeyName
from jobs.db.statement import Statement, fetch_all
from jobs.payloads import vault
from jobs.payloads.wrapping.wrapping_key import WrappedDataKey
from jobs.services.access.audit import note
from jobs.services.access.known_keys import forget_older_keys

NAMED = 20


class _StoredDataKey(NamedTuple):
    id: int
    client: int
    month: int
    wrapped: bytes
    wrapped_by: str


@dataclass(slots=True)
class Rotated:
    """The counts of a rotation: keys wrapped again, keys looked at; and the names of unreadable ones."""

    rows: int = 0
    looked_at: int = 0
    unreadable: list[str] = field(default_factory=list)


_PAGE = Statement(
    """
SELECT id, client_id AS client, month, wrapped, wrapped_by FROM jobs_datakey
WHERE id > %(after)s ORDER BY id LIMIT %(most)s
""",
    _StoredDataKey,
)
# Another rotation may have been faster.
_WRITE = Statement(
    """
UPDATE jobs_datakey SET wrapped = %(wrapped)s, wrapped_by = %(wrapped_by)s
WHERE id = %(id)s AND wrapped_by = %(before)s RETURNING id
""",
    int,
)


def rotate_payload_keys(*, actor: str, batch: int = 500) -> Rotated:
    """Wrap older data keys again, reading `batch` at a time; EncryptionUnavailableError.

    It may be interrupted and repeated. Repeat it once all processes have the new key: until then older ones
    may make data keys under the old key.
    """
    rotated, after, newest = Rotated(), 0, vault.data_keys().first.name
    while rows := fetch_all(_PAGE, {"after": after, "most": batch}):
        after, rotated.looked_at = rows[-1].id, rotated.looked_at + len(rows)
        for row in rows:
            if row.wrapped_by != newest:
                _rotate(row, rotated)
    if not rotated.unreadable:
        forget_older_keys()
    unreadable = len(rotated.unreadable)
    note(AuditKind.ROTATE_KEYS, actor=actor, rows=rotated.rows, unreadable=unreadable, encoding=newest)
    return rotated


def _rotate(row: _StoredDataKey, rotated: Rotated) -> None:
    name = DataKeyName(row.client, row.month)
    try:
        again = vault.data_keys().wrapped_again(name, WrappedDataKey(bytes(row.wrapped), row.wrapped_by))
    except PayloadUnreadableError:
        rotated.unreadable.append(f"{row.month} of client {row.client}")
        return
    rotated.rows += len(fetch_all(_WRITE, {**again._asdict(), "id": row.id, "before": row.wrapped_by}))
