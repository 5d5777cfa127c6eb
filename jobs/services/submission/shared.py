"""Store jobs that may share a run or its result; identical ones, in one call or several, run once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from jobs import metrics, tracing
from jobs.core.channels import SETTLED
from jobs.core.reuse.key import Reuse
from jobs.core.states import TERMINAL, State, Verb, sources, target
from jobs.db.statement import Statement, fetch_all
from jobs.services.access.owner import Owner
from jobs.services.lifecycle.end_times import EndedJob, observe_ends
from jobs.services.submission import traced_jobs
from jobs.services.submission.call_event import CallEvent
from jobs.services.submission.new_job import NewJob, StoredJob, arrays_of, in_key_order, side_rows
from jobs.services.submission.shared_statements import PLACE, PlacedJob
from jobs.services.submission.statements import SideRows

ROUNDS = 3  # the second finds who was first in the first; the third is for who took a key in between
_LIVE = sources(Verb.CANCEL)
# A leader may have ended before its follower's row could be seen: notify the follower settler.
_NOTIFY: Statement[None] = Statement("""
SELECT pg_notify(jobs_channel(%(channel)s), 'job:' || id) FROM jobs_job
WHERE id = ANY(%(jobs)s) AND state = ANY(%(ended)s)
""")


def store_shared(
    owner: Owner, jobs: Sequence[NewJob], event: CallEvent
) -> tuple[dict[UUID, StoredJob], list[NewJob]]:
    """Store the jobs that find a place under their keys; return them, and the jobs that may run alone."""
    stored: dict[UUID, StoredJob] = {}
    unsure, leaders = list(jobs), set[UUID]()
    for _ in range(ROUNDS):
        if not unsure:
            break
        sides = side_rows(unsure)
        places = fetch_all(PLACE[sides], {**_params(owner, unsure, sides), **event.columns})
        made = {place.id: job for place in places if (job := _stored(place))}
        event.stored_with(len(made))
        if tracing.on:
            traced_jobs.note_shared(unsure, places)
        stored |= made
        _observe_hits(unsure, places)
        leaders |= {place.leader for place in places if place.role == "follow" and place.leader}
        unsure = _still_unsure(unsure, places)
    _notify_of_ended(leaders)
    return stored, unsure


def _params(owner: Owner, jobs: Sequence[NewJob], sides: SideRows) -> dict[str, Any]:
    sharing = [new for new in in_key_order(jobs) if new.reuse]
    return arrays_of([new.columns | _shared(new.reuse) for new in sharing], sharing, sides) | {
        "client": owner.id,
        "state": target(Verb.SUBMIT).value,
        "succeeded": target(Verb.ANSWER).value,
        "live": _LIVE,
    }


def _shared(reuse: Reuse | None) -> dict[str, Any]:
    assert reuse is not None  # noqa: S101  # these jobs share
    return {"shared": reuse.key, "ttl_s": reuse.ttl_s, "takes": reuse.takes, "follows": reuse.follows}


def _stored(place: PlacedJob) -> StoredJob | None:
    if place.created_at is None:
        return None
    metrics.SHARED.labels(place.role).inc()
    if place.role == "hit":
        return StoredJob(place.created_at, State.SUCCEEDED, place.leader)
    return StoredJob(place.created_at, State.QUEUED)


def _observe_hits(jobs: Iterable[NewJob], places: Iterable[PlacedJob]) -> None:
    """Observe how long the jobs lived that were stored with their result."""
    hits = {place.id for place in places if place.role == "hit" and place.created_at}
    if hits:
        ended = [EndedJob(new.id, new.job.version.model) for new in jobs if new.id in hits]
        observe_ends(ended, State.SUCCEEDED)


def _still_unsure(jobs: Iterable[NewJob], places: Iterable[PlacedJob]) -> list[NewJob]:
    unsure = {place.id for place in places if place.role == "unsure"}
    return [new for new in jobs if new.id in unsure]


def _notify_of_ended(leaders: set[UUID]) -> None:
    if leaders:
        fetch_all(_NOTIFY, {"channel": SETTLED, "jobs": list(leaders), "ended": sorted(TERMINAL)})
