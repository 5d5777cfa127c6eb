"""Show what a job was asked to somebody who may see it; that they looked is written down with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from django.db import transaction

from jobs.core.errors import PayloadGoneError
from jobs.selectors.statement import execute
from jobs.services.audit import view_payload

WHOLE = 1 << 30  # no row of Postgres is longer
_HEAD: LiteralString = "SELECT substr(body, 1, %s), length(body) FROM jobs_jobinput WHERE job_id = %s"


@dataclass(frozen=True, slots=True)
class Payload:
    """An input's first bytes, and how many it has in all."""

    head: bytes
    total: int

    @property
    def is_whole(self) -> bool:
        """Say whether `head` is all of it."""
        return len(self.head) == self.total


def read_payload(*, job_id: UUID, actor: str, most: int = WHOLE) -> Payload:
    """Return up to `most` bytes of a job's input, with an Event of who asked; PayloadGoneError."""
    with transaction.atomic():
        rows = execute(_HEAD, (most, job_id))
        if not rows:
            raise PayloadGoneError
        view_payload(job_id=job_id, actor=actor)
    return Payload(bytes(rows[0][0]), rows[0][1])
