"""Store files ahead of the jobs that refer to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import IO
from uuid import UUID

import msgspec

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.payloads.pointer import StoredPayload
from jobs.db import database_clock
from jobs.db.new_ids import new_id
from jobs.db.statement import Statement, fetch_all, once_more
from jobs.payloads.sealed_objects import put_file
from jobs.services.access.audit import note
from jobs.services.access.owner import Owner

KEPT_H = 24
_INSERT = Statement(
    """
INSERT INTO jobs_upload (id, client_id, name, size, sha256, content_type, sealed, expires_at)
VALUES (%(id)s, %(client)s, %(name)s, %(size)s, %(sha256)s, %(content_type)s, %(sealed)s,
  now() + make_interval(hours => %(keep_h)s))
ON CONFLICT (id) DO UPDATE SET name = excluded.name, sealed = excluded.sealed RETURNING expires_at
""",
    datetime,
)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that jobs of its client may refer to until it expires."""

    id: UUID
    file: StoredPayload
    expires_at: datetime


def take_upload(*, owner: Owner, source: IO[bytes], content_type: str) -> Uploaded:
    """Store the file of `source`, sealed where keys are set: the object first, then its row."""
    database_clock.refresh()  # the object's name holds the time
    file, stored = put_file(source, client=owner.id, content_type=content_type)
    upload_id = new_id()
    columns = {
        "id": upload_id,
        "client": owner.id,
        "name": stored.name,
        "size": file.size,
        "sha256": file.sha256,
        "content_type": file.content_type,
        "sealed": None if stored is file else msgspec.json.encode(stored),
        "keep_h": KEPT_H,
    }
    (expires_at,) = fetch_all(_INSERT, columns)
    once_more(lambda: note(AuditKind.UPLOAD, actor=owner.actor, upload=upload_id, size=file.size))
    return Uploaded(upload_id, file, expires_at)
