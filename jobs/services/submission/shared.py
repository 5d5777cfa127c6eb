"""Store jobs that may share a run or its result; identical ones, in one call or beside it, run once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString
from uuid import UUID

from jobs import metrics
from jobs.core.channels import SETTLED
from jobs.core.states import TERMINAL, State, Verb, sources, target
from jobs.db.positional import Row, fetch_all
from jobs.services.access.owner import Owner
from jobs.services.submission.new_job import NewJob, StoredJob, in_key_order
from jobs.services.submission.shared_statements import PLACE

ROUNDS = 3  # the second finds who was first in the first; the third is for who took a key in between
_LIVE = sources(Verb.CANCEL)
# A leader may have ended before its follower's row could be seen: whoever looks after followers is told.
_TELL: LiteralString = """
SELECT pg_notify(%s, 'job:' || id) FROM jobs_job WHERE id = ANY(%s) AND state = ANY(%s)
"""


def store_shared(
    owner: Owner, candidates: Sequence[NewJob], call: dict[str, Any]
) -> tuple[dict[UUID, StoredJob], list[NewJob]]:
    """Store the jobs that find a place under their keys; return them, and who may run for itself alone.

    `call` is what the statement with the call's first job writes down of the call; `audit` is None after it.
    """
    stored: dict[UUID, StoredJob] = {}
    unsure, leaders = list(candidates), set[UUID]()
    for _ in range(ROUNDS):
        if not unsure:
            break
        rows = fetch_all(PLACE, _params(owner, unsure) | call)
        stored |= {row[0]: _stored(row) for row in rows if row[3] is not None}
        leaders |= {row[2] for row in rows if row[1] == "follow"}
        if stored:
            call["audit"] = None
        unsure = _still(unsure, rows)
    _tell_of_ended(leaders)
    return stored, unsure


def _params(owner: Owner, candidates: Sequence[NewJob]) -> dict[str, Any]:
    rows = [candidate.columns | _shared(candidate) for candidate in in_key_order(candidates)]
    return {name: [row[name] for row in rows] for name in rows[0]} | {
        "client": owner.id,
        "state": target(Verb.SUBMIT).value,
        "succeeded": target(Verb.ANSWER).value,
        "live": _LIVE,
    }


def _shared(candidate: NewJob) -> dict[str, Any]:
    reuse = candidate.reuse
    if reuse is None:
        raise TypeError("this job shares nothing")
    return {"shared": reuse.key, "ttl_s": reuse.ttl_s, "takes": reuse.takes, "follows": reuse.follows}


def _stored(row: Row) -> StoredJob:
    _, role, leader, created_at = row
    metrics.SHARED.labels(role).inc()
    if role == "hit":
        return StoredJob(created_at, State.SUCCEEDED, leader)
    return StoredJob(created_at, State.QUEUED)


def _still(candidates: Iterable[NewJob], rows: Iterable[Row]) -> list[NewJob]:
    unsure = {row[0] for row in rows if row[1] == "unsure"}
    return [candidate for candidate in candidates if candidate.id in unsure]


def _tell_of_ended(leaders: set[UUID]) -> None:
    if leaders:
        fetch_all(_TELL, (SETTLED, list(leaders), sorted(TERMINAL)))
