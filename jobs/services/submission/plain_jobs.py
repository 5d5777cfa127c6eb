"""Store jobs of several calls and clients by one statement, each with the Event of its call.

A plain job is the only one of its call, shares no result, and needs nothing beside its rows, so that its
storing neither waits for a storage nor needs a transaction of its own. A job that cannot be stored, because
its key or id stands already, does not disturb the others: EARLIER returns what stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import PlatformError
from jobs.db.notify import wake_relay
from jobs.db.statement import fetch_async
from jobs.services.access.audit import ACTOR_CHARS, detail_json
from jobs.services.access.owner import Owner
from jobs.services.submission.earlier import earlier_outcomes, earlier_params
from jobs.services.submission.new_job import (
    QUEUED,
    NewJob,
    StoredJob,
    arrays_of,
    made_now,
    one_row,
    side_rows,
)
from jobs.services.submission.statements import (
    EARLIER,
    INSERT_JOINED,
    INSERT_ONE,
    MadeJob,
    SideRows,
)
from jobs.services.submission.submitted import Submitted

Outcomes = dict[UUID, Submitted | PlatformError]
NO_SIDES = SideRows()


@dataclass(frozen=True, slots=True)
class PlainJob:
    """A job that is the only one of its call, its owner, and the call's address and id."""

    owner: Owner
    new: NewJob
    address: str | None
    request_id: str | None = None

    @property
    def place(self) -> tuple[int, str, UUID]:
        """Return its place among jobs that are stored together."""
        return self.owner.id, self.new.job.idempotency_key or "", self.new.id

    @property
    def call_columns(self) -> dict[str, Any]:
        """Return its parameters of INSERT_JOINED that are its call's."""
        owner = self.owner
        return {
            "client": owner.id,
            "actor": owner.actor[:ACTOR_CHARS],
            "address": self.address,
            "token": owner.token,
            "audit": detail_json({}, self.request_id),
        }


def is_plain(new: NewJob) -> bool:
    """Return whether the only job of a call may be stored together with those of other calls."""
    job = new.job
    beside = new.reuse or job.callback_url or job.subjects or job.labels or job.files or job.secrecy.guarded
    return not beside and len(job.body) <= settings.INFERENCE.claim_check_bytes


def plain_params(jobs: Sequence[PlainJob], sides: SideRows = NO_SIDES) -> dict[str, Any]:
    """Return the parameters of INSERT_JOINED for at least one job, of the text with these side rows.

    All processes insert in the same order of clients and keys: in other orders two of them would deadlock.
    """
    in_order = sorted(jobs, key=attrgetter("place"))
    rows = [job.new.columns | job.call_columns for job in in_order]
    columns: dict[str, Any] = arrays_of(rows, [job.new for job in in_order], sides)
    return columns | {"state": QUEUED, "kind": AuditKind.SUBMIT.value}


def plain_outcomes(
    jobs: Sequence[PlainJob], made: Sequence[MadeJob]
) -> tuple[Outcomes, dict[Owner, list[NewJob]]]:
    """Return the outcomes of the jobs that were made, and by owner the others, to look up by EARLIER."""
    times = {row.id: row.created_at for row in made}
    outcomes: Outcomes = {}
    others: dict[Owner, list[NewJob]] = {}
    for job in jobs:
        new = job.new
        if new.id in times:
            outcomes[new.id] = made_now(new, StoredJob(times[new.id], QUEUED))
        else:
            others.setdefault(job.owner, []).append(new)
    return outcomes, others


async def store_plain(session: psycopg.AsyncConnection[Any], jobs: Sequence[PlainJob]) -> Outcomes:
    """Store jobs by an autocommit session, in one transaction, and return an outcome for each by its id.

    A psycopg.Error where it fails; it may be run again with the same jobs, and finds the rows of a first run.
    """
    outcomes, others = plain_outcomes(jobs, await _inserted(session, jobs))
    if outcomes:
        wake_relay(*{job.new.job.version.model for job in jobs})
    for owner, unmade in others.items():
        rows = await fetch_async(session, EARLIER, earlier_params(owner, unmade))
        outcomes |= {
            new.id: outcome for new, outcome in zip(unmade, earlier_outcomes(unmade, rows), strict=True)
        }
    return outcomes


async def _inserted(session: psycopg.AsyncConnection[Any], jobs: Sequence[PlainJob]) -> list[MadeJob]:
    """Insert the jobs; a lone one without arrays, which cost more than its row."""
    sides = side_rows([job.new for job in jobs])
    if len(jobs) > 1:
        return await fetch_async(session, INSERT_JOINED[sides], plain_params(jobs, sides))
    of_call = {"state": QUEUED, "kind": AuditKind.SUBMIT.value, "alone": True}
    return await fetch_async(
        session, INSERT_ONE[sides], one_row(jobs[0].new) | jobs[0].call_columns | of_call
    )
