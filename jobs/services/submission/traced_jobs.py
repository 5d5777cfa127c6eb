"""The spans of a submit: begun before its jobs are stored, because each job keeps its span's place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from jobs.core.errors import PlatformError
from jobs.db.statement import Statement, fetch_all
from jobs.services.submission.new_job import NewJob
from jobs.services.submission.shared_statements import PlacedJob
from jobs.services.submission.submitted import Submitted
from jobs.tracing import call_traces
from jobs.tracing.harmless import harmless, or_else
from jobs.tracing.trace_context import kept_context

SHARING = ("hit", "follow")


class _Leader(NamedTuple):
    job_id: UUID
    traceparent: str


_LEADERS = Statement(
    """
SELECT job_id, traceparent FROM jobs_jobinput
WHERE job_id = ANY(%(jobs)s::uuid[]) AND traceparent IS NOT NULL
""",
    _Leader,
)


def decide(client: int) -> None:
    """Decide whether this thread's or task's call is traced, now that its client is known."""
    if call := call_traces.current():
        call.decide(client)


@or_else(lambda placed: placed)
def creating(placed: list[NewJob]) -> list[NewJob]:
    """Return jobs that are about to be stored, each with the place of its span where the call is traced."""
    call = call_traces.traced()
    if call is None or not placed:
        return placed
    places = call.create([(new.id, new.job.version.model) for new in placed])
    return [replace(new, traceparent=place) for new, place in zip(placed, places, strict=True)]


@harmless
def note_shared(jobs: Sequence[NewJob], places: Iterable[PlacedJob]) -> None:
    """Link the spans of jobs that another answers to that one; a statement only for traced jobs."""
    call = call_traces.traced()
    traced = {new.id for new in jobs if new.traceparent}
    sharing = [place for place in places if place.id in traced and place.role in SHARING and place.leader]
    if call is None or not sharing:
        return
    rows = fetch_all(_LEADERS, {"jobs": [place.leader for place in sharing]})
    leaders = {row.job_id: kept_context(row.traceparent) for row in rows}
    for place in sharing:
        call.shares(place.id, place.role, leaders.get(place.leader) if place.leader else None)


def stored(outcomes: Iterable[Submitted | PlatformError]) -> None:
    """End the spans of jobs whose storing has ended."""
    if call := call_traces.traced():
        call.stored(o.id for o in outcomes if isinstance(o, Submitted) and o.created)
