"""Start and stop acts on all jobs that match; both are audited."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.acting.bulk_verbs import BulkState, BulkVerb
from jobs.core.acting.job_selection import JobSelection, encoded
from jobs.core.errors import IdempotencyConflictError, WrongStateError
from jobs.db.statement import Statement, execute, fetch_all
from jobs.services.access.audit import ACTOR_CHARS, note

_START = Statement(
    """
INSERT INTO jobs_bulkact
  (verb, selection, rate_per_s, total, actor, client_id, idempotency_key, request_digest)
VALUES (%(verb)s, %(selection)s::text::jsonb, %(rate)s::float8, %(total)s, %(actor)s, %(client)s::bigint,
  %(key)s::text, %(digest)s::bytea)
ON CONFLICT (client_id, idempotency_key) DO NOTHING RETURNING id
""",
    int,
)


class ActCall(NamedTuple):
    """The call of a client that starts an act; an act under the same key is not started again."""

    client: int
    key: str | None
    digest: bytes


class _EarlierAct(NamedTuple):
    id: int
    digest: bytes | None


_EARLIER = Statement(
    """
SELECT id, request_digest AS digest FROM jobs_bulkact
WHERE client_id = %(client)s AND idempotency_key = %(key)s
""",
    _EarlierAct,
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
    *,
    verb: BulkVerb,
    selection: JobSelection,
    rate_per_s: float,
    total: int,
    actor: str,
    call: ActCall | None = None,
) -> int:
    """Begin an act on all jobs that match, of which its actor saw `total`; return its id. WrongStateError.

    The act that a `call` with the same key has begun is returned; IdempotencyConflictError where it differs.
    """
    check_states(selection, verb)
    of_call = {"client": None, "key": None, "digest": None} if call is None else call._asdict()
    values = of_call | {
        "verb": verb,
        "selection": encoded(selection),
        "rate": rate_per_s,
        "total": total,
        "actor": actor[:ACTOR_CHARS],
    }
    with transaction.atomic():
        ids = execute(_START, values)
        if call is not None and not ids:
            return earlier_act(call) or 0
        (act,) = ids
        note(
            AuditKind.BULK_ACT, actor=actor, act=act, verb=verb, state=BulkState.RUNNING, total=total,
            rate_per_s=rate_per_s, selection=selection.without_content(),
        )  # fmt: skip
    return act


def check_states(selection: JobSelection, verb: BulkVerb) -> None:
    """Refuse a state to whose jobs the act does not apply: WrongStateError."""
    if not selection.states_for(verb):
        raise WrongStateError(f"No job in the chosen state can be meant by {verb}.")


def earlier_act(call: ActCall) -> int | None:
    """Return the act that a call has begun, None where there is none; IdempotencyConflictError."""
    for earlier in fetch_all(_EARLIER, {"client": call.client, "key": call.key}) if call.key else ():
        if earlier.digest != call.digest:
            raise IdempotencyConflictError
        return earlier.id
    return None


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
