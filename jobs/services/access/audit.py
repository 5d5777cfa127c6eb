"""Events: who did what, when and from where. They are only appended, never changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.log_context import request_id
from jobs.db.statement import Statement, execute, fetch_all, once_more, run
from jobs.services.access.owner import Owner
from jobs.services.access.request_origin import origin

ACTOR_CHARS = 127
FORGOTTEN_AT_ONCE = 20_000
_NOTE: Statement[None] = Statement("""
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
VALUES (%(job)s::uuid, %(kind)s, %(actor)s, %(epoch)s::int, %(detail)s::text::jsonb, %(address)s::inet,
  %(token)s::bigint)
""")
# One statement reads the job and writes the event, because only the job's row names its client.
NOTE_VIEW = Statement(
    """
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
SELECT id, %(kind)s, %(actor)s, epoch, %(detail)s::text::jsonb, %(address)s::inet, %(token)s::bigint
FROM jobs_job WHERE id = %(job)s AND client_id <> %(client)s RETURNING id
""",
    int,
)
# A function of the audit's owner, because this process's role may delete nothing there.
_FORGET = Statement("SELECT jobs_forget_events(%(days)s, %(most)s)", int)


def note(kind: str, *, actor: str, job: UUID | None = None, epoch: int | None = None, **detail: Any) -> None:
    """Append an Event, in the open transaction where there is one."""
    execute(_NOTE, _columns(kind, actor, job, epoch, detail))


def note_in(session: sa.Connection, kind: str, *, actor: str, **detail: Any) -> None:
    """Append an Event through a bulk process's session, in its open transaction."""
    run(session, _NOTE, _columns(kind, actor, None, None, detail))


def view_payload(*, job_id: UUID, actor: str) -> None:
    """Append an Event of a person who was shown a job's input or output."""
    once_more(lambda: note(AuditKind.VIEW_PAYLOAD, actor=actor, job=job_id))


def view_of_another(owner: Owner, job_id: UUID) -> None:
    """Append an Event where an admin's token was shown another client's job; none for its own."""
    if owner.reach is None:
        fetch_all(NOTE_VIEW, view_params(owner, job_id, origin().address))


def view_params(owner: Owner, job_id: UUID, address: str | None) -> dict[str, Any]:
    """Return the parameters of NOTE_VIEW."""
    actor = {"actor": owner.actor, "token": owner.token, "address": address}
    of_call = {"kind": AuditKind.VIEW_PAYLOAD.value, "detail": detail_json({}, request_id())}
    return {"job": job_id, "client": owner.id, **of_call, **actor}


def submit_columns(owner: Owner, *, jobs: int, refused: int) -> dict[str, Any]:
    """Return the columns of the Event of a call, which the statement that stores its first job appends.

    `audit` is the Event's detail; None in the call's other statements.
    """
    alone = jobs + refused == 1
    audit = detail_json({} if alone else {"jobs": jobs, "refused": refused}, request_id())
    return who(AuditKind.SUBMIT, owner.actor) | {"alone": alone, "audit": audit}


def forget_events(*, older_than_days: int, actor: str) -> int:
    """Delete sealed events older than that, append an Event of each part, and return how many were deleted.

    Whole seals go, so that what remains can still be verified. A part is a transaction: all at once would
    take longer than a transaction may.
    """
    total, count = 0, 1
    while count:
        with transaction.atomic():
            (count,) = execute(_FORGET, {"days": older_than_days, "most": FORGOTTEN_AT_ONCE})
            if count or not total:
                note(AuditKind.FORGET, actor=actor, older_than_days=older_than_days, events=count)
        total += count
    return total


def who(kind: str, actor: str) -> dict[str, Any]:
    """Return an Event's columns for its kind and actor, and the origin of the current request."""
    here = origin()
    return {"kind": str(kind), "actor": actor[:ACTOR_CHARS], "address": here.address, "token": here.token}


def _columns(
    kind: str, actor: str, job: UUID | None, epoch: int | None, detail: dict[str, Any]
) -> dict[str, Any]:
    return {"job": job, "epoch": epoch, "detail": detail_json(detail, request_id()), **who(kind, actor)}


def detail_json(detail: dict[str, Any], request: str | None) -> str:
    """Return an Event's detail as JSON, with the id of the call that it came with, where there is one."""
    return msgspec.json.encode({**detail, "request_id": request} if request else detail).decode()
