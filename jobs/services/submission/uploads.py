"""Take files ahead of the jobs that refer to them, and forget what nobody refers to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from random import getrandbits
from typing import IO, LiteralString
from uuid import UUID

from jobs.core.ids import uuid7
from jobs.core.payloads.pointer import StoredPayload
from jobs.db.positional import fetch_all
from jobs.payloads.object_store import put_stream
from jobs.services.access.owner import Owner

KEPT_H = 24
_INSERT: LiteralString = """
INSERT INTO jobs_upload (id, client_id, name, size, sha256, content_type, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(hours => %s))
ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING expires_at
"""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that jobs of its client may refer to until it expires."""

    id: UUID
    file: StoredPayload
    expires_at: datetime


def take_upload(*, owner: Owner, source: IO[bytes], content_type: str) -> Uploaded:
    """Store what `source` gives, object first, then its row; PayloadUnavailableError."""
    file = put_stream(source, content_type=content_type)
    upload_id = uuid7(time.time_ns() // 1_000_000, getrandbits(74))
    row = (upload_id, owner.id, file.name, file.size, file.sha256, file.content_type, KEPT_H)
    ((expires_at,),) = fetch_all(_INSERT, row)
    return Uploaded(upload_id, file, expires_at)
