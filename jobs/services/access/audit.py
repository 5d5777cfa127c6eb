"""Events: who did what, when and from where. They are appended, and nothing here changes one."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

import msgspec
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.db.positional import execute, fetch_all, once_more
from jobs.services.access.owner import Owner
from jobs.services.access.request_origin import origin

ACTOR_CHARS = 127
_NOTE: LiteralString = """
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
VALUES (%(job)s::uuid, %(kind)s, %(actor)s, %(epoch)s::int, %(detail)s::text::jsonb, %(address)s::inet,
  %(token)s::bigint)
"""
# With the row that it asks for: whose job it is, is known there alone.
VIEWED: LiteralString = """
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
SELECT id, %(kind)s, %(actor)s, epoch, '{}', %(address)s::inet, %(token)s::bigint
FROM jobs_job WHERE id = %(job)s AND client_id <> %(client)s RETURNING id
"""
_RETENTION: LiteralString = "SELECT set_config('inference.retention', %s, true)"
_FORGET: LiteralString = """
WITH gone AS (DELETE FROM jobs_event WHERE at < now() - make_interval(days => %s) RETURNING 1)
SELECT count(*) FROM gone
"""


def note(kind: str, *, actor: str, job: UUID | None = None, epoch: int | None = None, **detail: Any) -> None:
    """Append an Event, in the open transaction where there is one."""
    execute(_NOTE, {"job": job, "epoch": epoch, "detail": _json(detail), **who(kind, actor)})


def view_payload(*, job_id: UUID, actor: str) -> None:
    """Write down that a person was shown what a job was asked or answered."""
    once_more(lambda: note(AuditKind.VIEW_PAYLOAD, actor=actor, job=job_id))


def view_of_another(owner: Owner, job_id: UUID) -> None:
    """Write down that an admin's token was shown another client's job; nothing for one of its own."""
    if owner.reach is None:
        fetch_all(VIEWED, viewed(owner, job_id, origin().address))


def viewed(owner: Owner, job_id: UUID, address: str | None) -> dict[str, Any]:
    """Return the parameters of VIEWED."""
    by = {"actor": owner.actor, "token": owner.token, "address": address}
    return {"job": job_id, "client": owner.id, "kind": AuditKind.VIEW_PAYLOAD.value, **by}


def submit_columns(owner: Owner, *, jobs: int, refused: int) -> dict[str, Any]:
    """Return what the statement that stores a call's first job writes down of the call.

    `audit` is the Event's detail; None in the statements after it.
    """
    detail = None if jobs + refused == 1 else {"jobs": jobs, "refused": refused}
    told = {"alone": detail is None, "audit": _json(detail or {})}
    return who(AuditKind.SUBMIT, owner.actor) | told


def forget_events(*, older_than_days: int, actor: str) -> int:
    """Delete events older than that, say so in a new one, and return how many there were."""
    with transaction.atomic():
        execute(_RETENTION, ("on",))
        ((count,),) = execute(_FORGET, (older_than_days,))
        execute(_RETENTION, ("off",))
        note(AuditKind.FORGET, actor=actor, older_than_days=older_than_days, events=count)
    return int(count)


def who(kind: str, actor: str) -> dict[str, Any]:
    """Return an Event's columns for who does it, and from where the request in hand comes."""
    here = origin()
    return {"kind": str(kind), "actor": actor[:ACTOR_CHARS], "address": here.address, "token": here.token}


def _json(detail: dict[str, Any]) -> str:
    return msgspec.json.encode(detail).decode()
