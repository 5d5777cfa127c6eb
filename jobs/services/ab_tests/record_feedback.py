"""Store what a client says of the answers of its jobs: each once a name, all of a call in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from django.db import transaction

from jobs import metrics
from jobs.core.ab_tests.feedback_request import Content, FeedbackSaid
from jobs.core.ab_tests.feedback_verdict import FeedbackDesk, StoredFeedback, ToldJob
from jobs.core.errors import PlatformError
from jobs.db.statement import Statement, execute, once_more
from jobs.services.lifecycle.lock_job import PATIENCE
from models_registry.selectors import info


class _NamedJob(NamedTuple):
    id: UUID
    model: str
    version: int
    state: str
    finished_at: datetime | None
    is_erased: bool
    now: datetime


class _SaidBefore(NamedTuple):
    job: UUID
    name: str
    value: float | None
    label: str | None


_NAMED: LiteralString = """
SELECT id, queue AS model, version_id AS version, state, finished_at, erased_at IS NOT NULL AS is_erased,
  statement_timestamp() AS now
FROM jobs_job
WHERE id = ANY(%(jobs)b::uuid[]) AND (%(client)s::bigint IS NULL OR client_id = %(client)s)
"""
# In id order, as all statements lock jobs: an erasure comes before or after the whole call. Jobs that have
# not ended are left alone: a claim or a settle skips a job that is locked.
_LOCK = Statement(f"{_NAMED} AND finished_at IS NOT NULL ORDER BY id FOR NO KEY UPDATE", _NamedJob)
_READ = Statement(_NAMED, _NamedJob)
_BEFORE = Statement(
    "SELECT job_id AS job, name, value, label FROM jobs_feedback WHERE job_id = ANY(%(jobs)b::uuid[])",
    _SaidBefore,
)
_STORE: Statement[None] = Statement("""
INSERT INTO jobs_feedback (job_id, name, value, label)
SELECT * FROM unnest(%(jobs)b::uuid[], %(names)b::text[], %(values)b::float8[], %(labels)b::text[])
""")


def store_feedback(
    *, client: int | None, items: Sequence[FeedbackSaid | PlatformError]
) -> list[StoredFeedback | PlatformError]:
    """Store feedback on jobs of a client, None for any client, and return what became of each item, in order.

    An item that is an error already stays one. The same value again is no error, and stores nothing.
    """
    jobs = sorted({item.job for item in items if isinstance(item, FeedbackSaid)})
    outcomes, models = once_more(lambda: _store(client, jobs, items))
    for model, new in models:
        metrics.FEEDBACK.labels(model, "stored" if new else "repeated").inc()
    for outcome in outcomes:
        if isinstance(outcome, PlatformError):
            metrics.FEEDBACK_REFUSED.labels(outcome.code).inc()
    return outcomes


@transaction.atomic
def _store(
    client: int | None, jobs: Sequence[UUID], items: Sequence[FeedbackSaid | PlatformError]
) -> tuple[list[StoredFeedback | PlatformError], list[tuple[str, bool]]]:
    execute(PATIENCE)
    rows = _named_jobs(client, jobs)
    named = {row.id: row for row in rows}
    before = execute(_BEFORE, {"jobs": list(named)}) if named else []  # a new snapshot, after the locks
    now = rows[0].now if rows else datetime.min  # noqa: DTZ901  # of no job, so it is not looked at
    desk = FeedbackDesk(dict(_told(rows)), ((row.job, row.name, _content(row)) for row in before), now)
    outcomes = desk.take_all(items)
    taken = [outcome for outcome in outcomes if isinstance(outcome, StoredFeedback)]
    _insert([stored.said for stored in taken if stored.is_new])
    return outcomes, [(named[stored.said.job].model, stored.is_new) for stored in taken]


def _named_jobs(client: int | None, jobs: Sequence[UUID]) -> list[_NamedJob]:
    """Return the jobs that are the client's; those that have ended are locked."""
    rows = list(execute(_LOCK, {"jobs": list(jobs), "client": client})) if jobs else []
    others = sorted(set(jobs) - {row.id for row in rows})
    if not others:
        return rows
    left = execute(_READ, {"jobs": others, "client": client})
    if any(row.finished_at is not None for row in left):  # it has ended since: now it can be locked
        return _named_jobs(client, jobs)
    return [*rows, *left]


def _told(rows: Sequence[_NamedJob]) -> Iterator[tuple[UUID, ToldJob]]:
    guarded = {version: info(version).secrecy.guarded for version in {row.version for row in rows}}
    for row in rows:
        yield row.id, ToldJob(row.state, row.finished_at, row.is_erased, guarded[row.version])


def _content(row: _SaidBefore) -> Content:
    return row.label if row.label is not None else row.value or 0.0


def _insert(new: Sequence[FeedbackSaid]) -> None:
    if new:
        columns = {
            "jobs": [said.job for said in new],
            "names": [said.name for said in new],
            "values": [said.value for said in new],
            "labels": [said.label for said in new],
        }
        execute(_STORE, columns)
