"""Accept jobs in four steps, each over the jobs of one call by their places in it.

    parsed     `parse`: read against the model version that will run it, schema and files checked
    admitted   `admission.admit`: not shed for load, within its client's quota
    placed     `new_job`: with an id, and the key that it may share a result under
    stored     `store`: Job, JobInput and Outbox in one statement, or behind an identical job

What a step refuses leaves the road there with its error. Each statement may be run twice: a job's id is
chosen before, so that a repeat finds its own row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs import tracing
from jobs.core.errors import PlatformError
from jobs.core.submission.parsed_job import Refusals
from jobs.core.submission.request import JobRequest
from jobs.services.access.owner import Owner
from jobs.services.admission.admit import admit_jobs
from jobs.services.submission import traced_jobs
from jobs.services.submission.attachments import NO_PARTS, Parts
from jobs.services.submission.call_event import CallEvent
from jobs.services.submission.new_job import NewJob, place_jobs
from jobs.services.submission.parse import parse_jobs
from jobs.services.submission.store import store_jobs
from jobs.services.submission.submit_counts import count_outcomes
from jobs.services.submission.submitted import Submitted


def submit_job(*, owner: Owner, request: JobRequest, parts: Parts = NO_PARTS) -> Submitted:
    """Accept one job, with the file parts of its call; a PlatformError where it cannot be accepted."""
    (outcome,) = submit_jobs(owner=owner, requests=[request], parts=parts)
    if isinstance(outcome, PlatformError):
        raise outcome
    return outcome


def submit_jobs(
    *, owner: Owner, requests: Sequence[JobRequest | PlatformError], parts: Parts = NO_PARTS
) -> list[Submitted | PlatformError]:
    """Accept many jobs, a chunk a transaction, and return one outcome each, in order.

    Ids grow with the index. Where the database fails midway, the jobs of the chunks before are accepted. The
    call's Event is stored with its first new job; a repeat that makes no job leaves no Event.
    """
    readable = {i: request for i, request in enumerate(requests) if isinstance(request, JobRequest)}
    placed, refusals = _placed(owner, readable, parts)
    event = CallEvent(owner, jobs=len(placed), refused=len(requests) - len(placed))
    stored = store_jobs(owner=owner, jobs=placed, event=event)
    if tracing.on:
        traced_jobs.stored(stored.values())
    outcomes = _in_order(requests, {**refusals, **stored})
    count_outcomes(owner, outcomes)
    return outcomes


def place_job(*, owner: Owner, request: JobRequest) -> NewJob:
    """Take the only job of a call through all steps but the last; a PlatformError where it is refused."""
    placed, refusals = _placed(owner, {0: request}, NO_PARTS)
    if refusals:
        count_outcomes(owner, [*refusals.values()])
        raise refusals[0]
    return placed[0]


def _placed(owner: Owner, requests: Mapping[int, JobRequest], parts: Parts) -> tuple[list[NewJob], Refusals]:
    if tracing.on:
        traced_jobs.decide(owner.id)
    parsed, unfit = parse_jobs(owner=owner, requests=requests, parts=parts)
    admission = admit_jobs(owner=owner, jobs=parsed)
    placed = place_jobs(owner=owner, jobs=admission.jobs, expected=admission.expected)
    return traced_jobs.creating(placed) if tracing.on else placed, unfit | admission.refusals


def _in_order(
    requests: Sequence[JobRequest | PlatformError], outcomes: Mapping[int, Submitted | PlatformError]
) -> list[Submitted | PlatformError]:
    return [
        request if isinstance(request, PlatformError) else outcomes[index]
        for index, request in enumerate(requests)
    ]
