"""Starts and stops the shadow of a rule; each act leaves an Event."""

from __future__ import annotations

import sqlalchemy as sa
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import WrongStateError
from jobs.db.statement import Statement, execute
from jobs.models.rollouts.shadow import Shadow
from jobs.services.access.audit import ACTOR_CHARS, note, note_in
from jobs.services.shadow import shadow_rows
from jobs.services.shadow.shadow_views import find_shadow

_START = Statement(
    """
UPDATE jobs_shadow SET state = 'running', takes = true, reason = '', actor = %(actor)s, changed_at = now()
WHERE rule = %(rule)s AND state = 'stopped' RETURNING model
""",
    str,
)


def note_stop(session: sa.Connection, rule: int, *, actor: str, reason: str) -> bool:
    """Stop a shadow and append the Event; False where it does not run. Requires a transaction."""
    model = shadow_rows.stop(session, rule, actor=actor, reason=reason)
    if model is None:
        return False
    note_in(session, AuditKind.SHADOW, actor=actor, act="stop", model=model, rule=rule, reason=reason)
    return True


def stop_shadow(*, model: str, alias: str, number: int, actor: str, reason: str) -> None:
    """Stop a shadow: its copies are dropped and no new ones are made.

    ResourceNotFoundError, WrongStateError where it does not run.
    """
    _act(find_shadow(model, alias, number), shadow_rows.STOP, "stop", actor=actor, reason=reason)


def start_shadow(*, model: str, alias: str, number: int, actor: str, reason: str) -> None:
    """Start a stopped shadow again; what it has shown stays.

    ResourceNotFoundError, WrongStateError where it was not stopped.
    """
    _act(find_shadow(model, alias, number), _START, "start", actor=actor, reason=reason)


def _act(shadow: Shadow, statement: Statement[str], act: str, *, actor: str, reason: str) -> None:
    with transaction.atomic():
        if not execute(statement, {"rule": shadow.rule, "actor": actor[:ACTOR_CHARS], "reason": reason}):
            raise WrongStateError(f"The {shadow} is {shadow.state}, so you cannot {act} it.")
        note(AuditKind.SHADOW, actor=actor, act=act, model=shadow.model, rule=shadow.rule, reason=reason)
