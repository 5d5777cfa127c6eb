"""Acts on many jobs that a token asks for: of its client's own jobs, unless it is an admin's."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from jobs.core.access.scopes import Scope
from jobs.core.acting.bulk_request import BulkRequest
from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.core.acting.job_selection import JobSelection
from jobs.core.errors import ForbiddenError, ModelNotAllowedError, WrongStateError
from jobs.db.statement import Statement, fetch_all
from jobs.services.access.owner import Owner, client_id
from jobs.services.bulk_acts.matching import count_matching
from jobs.services.bulk_acts.operate_many import ActCall, check_states, earlier_act, start_bulk_act
from jobs.services.dead_letters.replay_many import now
from models_registry import selectors
from models_registry.core.refs import Ref

MOST_OPEN = 20  # of a client's own
_OPEN = Statement("SELECT count(*) FROM jobs_bulkact WHERE client_id = %(client)s AND ended_at IS NULL", int)


def selection_of(asked: BulkRequest, *, client: int | None) -> JobSelection:
    """Return the selection of a request, of one client's jobs or of all; ModelNotFoundError."""
    ref = Ref.parse(asked.model) if asked.model else None
    if ref is not None:
        selectors.model(ref.name)
    has_version = ref is not None and asked.model != ref.name
    [(field, value)] = asked.metadata.items() if asked.metadata else [(None, None)]
    return JobSelection(
        state=asked.state, model=ref.name if ref else None, client=client, priority=asked.priority,
        version=selectors.resolve(asked.model or "").id if has_version else None,
        kind=asked.kind, code=asked.code, fingerprint=asked.fingerprint,
        since=asked.created_after, until=asked.created_before, field=field, value=value,
    )  # fmt: skip


def count_asked(owner: Owner, verb: BulkVerb, asked: BulkRequest) -> tuple[int, bool]:
    """Return how many jobs an act would be for now, and whether there may be more; it starts nothing."""
    selection = _selection(owner, verb, asked)
    return count_matching(selection, verb, started_at=now())


def start_asked(owner: Owner, verb: BulkVerb, asked: BulkRequest, *, key: str | None) -> int:
    """Start an act, or find the one that the same call has started, and return its id.

    IdempotencyConflictError where the key was used for another one; WrongStateError where the client has too
    many that run.
    """
    selection = _selection(owner, verb, asked)
    call = ActCall(owner.id, key, sha256(verb.encode() + msgspec.json.encode(asked)).digest())
    earlier = earlier_act(call)
    if earlier is not None:
        return earlier
    (running,) = fetch_all(_OPEN, {"client": owner.id})
    if running >= MOST_OPEN:
        raise WrongStateError(f"{running} acts of this client run: wait for their end, or stop one.")
    total, _ = count_matching(selection, verb, started_at=now())
    return start_bulk_act(
        verb=verb, selection=selection, rate_per_s=asked.rate_per_s, total=total, actor=owner.actor, call=call
    )


def _selection(owner: Owner, verb: BulkVerb, asked: BulkRequest) -> JobSelection:
    """Return what a token may select; ForbiddenError, ModelNotAllowedError, WrongStateError."""
    if (asked.client or asked.all_clients) and owner.reach is not None:
        raise ForbiddenError(
            f"Only a token with the scope `{Scope.ADMIN}` may act on jobs of other clients.",
            scope=Scope.ADMIN.value,
        )
    if verb is BulkVerb.REPLAY and owner.models:
        if asked.model is None:
            raise ModelNotAllowedError("This client may use some models only: name one of them.")
        owner.check_model(Ref.parse(asked.model).name)
    client = None if asked.all_clients else client_id(asked.client) if asked.client else owner.id
    selection = selection_of(asked, client=client)
    check_states(selection, verb)
    return selection
