"""Start and stop acts on all jobs that match; both are audited."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.acting.bulk_verbs import BulkState, BulkVerb
from jobs.core.acting.job_selection import JobSelection, encoded
from jobs.core.errors import WrongStateError
from jobs.db.statement import Statement, execute
from jobs.services.access.audit import ACTOR_CHARS, note

_START = Statement(
    """
INSERT INTO jobs_bulkact (verb, selection, rate_per_s, total, actor)
VALUES (%(verb)s, %(selection)s::text::jsonb, %(rate)s::float8, %(total)s, %(actor)s) RETURNING id
""",
    int,
)


class Ended(NamedTuple):
    """What an act had done when it ended."""

    done: int
    failed: int


_END = Statement(
    """
UPDATE jobs_bulkact SET state = %(state)s, ended_at = now(), ended_by = %(actor)s
WHERE id = %(id)s AND state = 'running' RETURNING done, failed
""",
    Ended,
)


def start_bulk_act(
    *, verb: BulkVerb, selection: JobSelection, rate_per_s: float, total: int, actor: str
) -> int:
    """Begin an act on all jobs that match, of which a person saw `total`; return its id. WrongStateError."""
    if not selection.states_for(verb):
        raise WrongStateError(f"No job in the chosen state can be meant by {verb}.")
    values = {
        "verb": verb,
        "selection": encoded(selection),
        "rate": rate_per_s,
        "total": total,
        "actor": actor[:ACTOR_CHARS],
    }
    with transaction.atomic():
        (act,) = execute(_START, values)
        note(
            AuditKind.BULK_ACT, actor=actor, act=act, verb=verb, state=BulkState.RUNNING, total=total,
            rate_per_s=rate_per_s, selection=selection.without_content(),
        )  # fmt: skip
    return act


@transaction.atomic
def stop_bulk_act(*, act: int, actor: str) -> None:
    """Stop an act after its current slice; WrongStateError where it has ended."""
    if not end_bulk_act(act, BulkState.STOPPED, actor):
        raise WrongStateError("The act has ended already.")


def end_bulk_act(act: int, state: BulkState, actor: str) -> bool:
    """Note the end of an act that runs; return whether it did. Requires a transaction."""
    for ended in execute(_END, {"id": act, "state": state, "actor": actor[:ACTOR_CHARS]}):
        note(AuditKind.BULK_ACT, actor=actor, act=act, state=state, done=ended.done, failed=ended.failed)
        return True
    return False
