"""Erase all jobs of a subject, a bounded number a transaction; a later run goes on after a crash."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from random import getrandbits
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.ids import uuid7
from jobs.db import database_clock
from jobs.db.statement import Statement, execute, fetch_all, once_more
from jobs.payloads.subject_digest import subject_digest
from jobs.services.access.audit import note
from jobs.services.erasure.erase_job import erase_locked, forget_late_reports
from jobs.services.erasure.unwanted_objects import delete_objects

JOBS_AT_ONCE = 100
MOST_SHOWN = 100
AT_ONCE_S = 2.0  # so long the call that requests an erasure erases by itself


class Receipt(NamedTuple):
    """How many jobs an erasure is of, and how many of them are erased."""

    id: UUID
    jobs: int
    erased: int
    created_at: datetime
    finished_at: datetime | None


_COUNT = Statement(
    "SELECT count(*) FROM jobs_subject WHERE client_id = %(client)s AND digest = %(digest)s", int
)
_REQUEST: Statement[None] = Statement("""
INSERT INTO jobs_erasure (id, client_id, digest, actor, last_job, jobs)
SELECT %(id)s, %(client)s, %(digest)s, %(actor)s, %(id)s, count(*) FROM jobs_subject
WHERE client_id = %(client)s AND digest = %(digest)s AND job_id <= %(id)s
ON CONFLICT (id) DO NOTHING
""")
_READ = Statement(
    "SELECT id, jobs, erased, created_at, finished_at FROM jobs_erasure WHERE id = %(id)s", Receipt
)
_LAST = Statement(
    """
SELECT id, jobs, erased, created_at, finished_at FROM jobs_erasure WHERE client_id = %(client)s
ORDER BY id DESC LIMIT %(most)s
""",
    Receipt,
)
_OPEN = Statement("SELECT id FROM jobs_erasure WHERE finished_at IS NULL ORDER BY created_at", UUID)
_LOCK = Statement(
    "SELECT actor FROM jobs_erasure WHERE id = %(id)s AND finished_at IS NULL FOR UPDATE SKIP LOCKED", str
)
_NEXT = Statement(
    """
SELECT subject.job_id FROM jobs_erasure erasure JOIN jobs_subject subject
  ON subject.client_id = erasure.client_id AND subject.digest = erasure.digest
  AND subject.job_id <= erasure.last_job
WHERE erasure.id = %(id)s AND erasure.finished_at IS NULL ORDER BY subject.job_id LIMIT %(most)s
""",
    UUID,
)
_STRAY: Statement[None] = Statement("DELETE FROM jobs_subject WHERE job_id = ANY(%(jobs)s::uuid[])")
_COUNT_ERASED: Statement[None] = Statement(
    "UPDATE jobs_erasure SET erased = erased + %(erased)s WHERE id = %(id)s"
)
_FINISH = Statement(
    """
UPDATE jobs_erasure SET finished_at = now(), digest = NULL WHERE id = %(id)s
RETURNING id, jobs, erased, created_at, finished_at
""",
    Receipt,
)


def count_jobs(*, client: int, subject: str) -> int:
    """Return how many jobs of the client hold the subject."""
    (jobs,) = fetch_all(_COUNT, {"client": client, "digest": subject_digest(subject, client=client)})
    return jobs


def request_erasure(*, client: int, subject: str, actor: str) -> Receipt:
    """Note the erasure of all jobs that hold the subject now, begin with it, and return its receipt."""
    database_clock.refresh()
    erasure = uuid7(database_clock.now_ms() + 1, getrandbits(74))
    digest = subject_digest(subject, client=client)
    fetch_all(_REQUEST, {"id": erasure, "client": client, "digest": digest, "actor": actor[:127]})
    until = time.monotonic() + AT_ONCE_S
    while time.monotonic() < until and _erase_some(erasure):
        pass
    return read_erasure(erasure)


def read_erasure(erasure: UUID) -> Receipt:
    """Return the receipt of an erasure that was requested."""
    (receipt,) = fetch_all(_READ, {"id": erasure})
    return receipt


def read_erasures(*, client_id: int) -> list[Receipt]:
    """Return the receipts of a client's last erasures, newest first."""
    return fetch_all(_LAST, {"client": client_id, "most": MOST_SHOWN})


def continue_erasures() -> int:
    """Carry all erasures that were requested to their ends; return how many steps that took."""
    steps = 0
    for erasure in fetch_all(_OPEN):
        while _erase_some(erasure):
            steps += 1
    return steps


def _erase_some(erasure: UUID) -> bool:
    """Erase the next jobs of an erasure, in one transaction; return whether there may be more."""
    jobs = fetch_all(_NEXT, {"id": erasure, "most": JOBS_AT_ONCE})
    names = once_more(lambda: _step(erasure, jobs))
    if names is None:
        return False
    forget_late_reports(jobs)
    delete_objects(names)
    return True


@transaction.atomic
def _step(erasure: UUID, jobs: Sequence[UUID]) -> list[str] | None:
    """Erase jobs and count them; None where nothing is left, or another process is at it."""
    for actor in execute(_LOCK, {"id": erasure}):
        if jobs:
            erased = erase_locked(jobs, actor=actor)
            execute(_STRAY, {"jobs": list(jobs)})  # of jobs that are gone: they would be met for ever
            execute(_COUNT_ERASED, {"erased": len(erased.jobs), "id": erasure})
            return erased.names
        (receipt,) = execute(_FINISH, {"id": erasure})
        counts = {"jobs": receipt.jobs, "erased": receipt.erased}
        note(AuditKind.ERASE_SUBJECT, actor=actor, erasure=str(erasure), counts=counts)
    return None
