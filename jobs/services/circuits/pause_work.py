"""Pause and resume a model, a version or a client; both are audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.circuits.paused_work import Paused, PauseKind
from jobs.core.errors import WrongStateError
from jobs.core.outage_kinds import OutageKind
from jobs.db.notify import wake_relay
from jobs.db.statement import Statement, execute, fetch_all, run, storable
from jobs.services.access.audit import ACTOR_CHARS, note
from jobs.services.access.owner import client_id
from jobs.services.circuits.paused_rows import PAUSES, paused_of
from jobs.services.circuits.reads import forget_circuits
from models_registry.selectors import known_queues, model, resolve

LET_GO_AT_ONCE = 10_000


_PAUSE = Statement(
    """
INSERT INTO jobs_workpause (kind, target, name, reason, actor)
VALUES (%(kind)s, %(target)s, %(name)s, %(reason)s, %(actor)s) ON CONFLICT (kind, target) DO NOTHING
RETURNING id
""",
    int,
)
# A pause that is over stays on record, because it is the cause of waits.
_RESUME = Statement(
    """
WITH gone AS (
  DELETE FROM jobs_workpause WHERE kind = %(kind)s AND target = %(target)s RETURNING id, kind, target, since
), noted AS (
  INSERT INTO jobs_outage (kind, model, version, client, began_at, until)
  SELECT %(outage)s, COALESCE(model.name, ''), CASE WHEN gone.kind = 'version' THEN target ELSE 0 END,
    CASE WHEN gone.kind = 'client' THEN target ELSE 0 END, since, now()
  FROM gone LEFT JOIN models_registry_registeredmodel model ON gone.kind = 'model' AND model.id = target
)
SELECT id FROM gone
""",
    int,
)
_NAMED = Statement("SELECT target FROM jobs_workpause WHERE kind = %(kind)s AND name = %(name)s", int)


class _Step(NamedTuple):
    last: UUID | None


# Held jobs, and no others: one that waits for its own retry or pace was not due yet. In the order of ids, so
# that those of a client go on in their turn.
_LET_GO = Statement(
    """
WITH looked AS MATERIALIZED (
  SELECT job_id FROM jobs_outbox WHERE job_id > %(after)s ORDER BY job_id LIMIT %(most)s
), held AS (
  SELECT job_id FROM jobs_outbox outbox
  WHERE job_id IN (SELECT job_id FROM looked) AND published = 0 AND due > now() AND since <= now()
    AND (version_id = ANY(%(versions)s::bigint[]) OR client = ANY(%(clients)s::bigint[]))
  ORDER BY job_id FOR UPDATE SKIP LOCKED
), moved AS (
  UPDATE jobs_outbox SET due = now() + number * interval '1 microsecond'
  FROM (SELECT job_id, row_number() OVER (ORDER BY job_id) AS number FROM held) AS numbered
  WHERE jobs_outbox.job_id = numbered.job_id
)
SELECT (SELECT job_id FROM looked ORDER BY job_id DESC LIMIT 1) AS last
""",
    _Step,
)


def pause(*, kind: PauseKind, name: str, reason: str, actor: str) -> str:
    """Let new jobs of a model, version or client wait, and return its whole name; what runs goes on.

    WrongStateError where it is paused; ModelNotFoundError or ResourceNotFoundError where it does not exist.
    """
    target, name = _target(kind, name)
    values = {"kind": kind, "target": target, "name": name, "actor": actor[:ACTOR_CHARS], "reason": reason}
    with transaction.atomic():
        if not execute(_PAUSE, values):
            raise WrongStateError(f"The {kind} {name} is paused already.")
        note(AuditKind.PAUSE, actor=actor, what=kind.value, target=target, name=name, reason=reason)
    forget_circuits()
    return name


def resume(*, kind: PauseKind, name: str, actor: str) -> None:
    """Let the jobs go on of what the list of pauses names so, or what has the name now; WrongStateError."""
    named = fetch_all(_NAMED, {"kind": kind, "name": name}) if storable(name) else []
    target = named[0] if named else _target(kind, name)[0]
    resume_row(kind=kind, target=target, name=name, actor=actor)


def resume_row(*, kind: PauseKind, target: int, name: str, actor: str) -> None:
    """Let the jobs go on of a row of the list of pauses, though its name may be gone; WrongStateError."""
    before = paused_of(fetch_all(PAUSES))
    with transaction.atomic():
        if not execute(_RESUME, {"kind": kind, "target": target, "outage": OutageKind.PAUSED}):
            raise WrongStateError(f"The {kind} {name} is not paused.")
        note(AuditKind.RESUME, actor=actor, what=kind.value, target=target, name=name)
    forget_circuits()
    _let_go(before, paused_of(fetch_all(PAUSES)), lambda values: fetch_all(_LET_GO, values))
    wake_relay(*known_queues())


def let_go_resumed(session: sa.Connection, before: Paused, now: Paused, go_on: Callable[[], None]) -> None:
    """Make due what a relay took and held again while it had not read of a resume yet.

    `go_on` is called before each step, and may end it.
    """

    def step(values: dict[str, Any]) -> list[_Step]:
        go_on()
        return run(session, _LET_GO, values)

    _let_go(before, now, step)


def _let_go(before: Paused, now: Paused, step: Callable[[dict[str, Any]], list[_Step]]) -> None:
    versions, clients = before.versions - now.versions, before.clients - now.clients
    after = UUID(int=0) if versions or clients else None
    while after is not None:
        values = {"versions": list(versions), "clients": list(clients), "most": LET_GO_AT_ONCE}
        (done,) = step({**values, "after": after})
        after = done.last


def _target(kind: PauseKind, name: str) -> tuple[int, str]:
    """Return the row id of what is meant, and a name that goes on meaning it: an alias may move."""
    if kind is PauseKind.CLIENT:
        return client_id(name), name
    if kind is PauseKind.MODEL:
        return model(name).pk, name
    version = resolve(name)
    return version.id, str(version)
