"""The call that follows a job, as Django answers it without `app`: the newest event, then the end.

`app` holds streams itself and never calls this. An event source that gets this answer reconnects by itself
after the stream's `retry`, and resumes.
"""

from __future__ import annotations

from uuid import UUID

import msgspec
from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.request_docs import EVENTS_DOC
from jobs.api.router import router
from jobs.api.streaming.sse import HEADERS, events, knows_all, preamble
from jobs.core.access.scopes import Scope
from jobs.core.event_id import EventId
from jobs.db.statement import fetch_all
from jobs.services.access.audit import view_of_another
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ONE_JOB, only
from jobs.services.reads.payloads import view_for
from jobs.services.reads.snapshot import SNAPSHOTS, JobSnapshot, snapshot_of, snapshot_of_job


@router.get(
    "/jobs/{uuid:job_id}/events",
    operation_id="streamJobEvents",
    summary="A job's events, as they come",
    **needs(Scope.READ, **EVENTS_DOC),
)
def follow(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Follow a job by server-sent events: `state`, `progress` and, as the last one, `end` with the whole job.

    Call the job's `urls.events`, which names the server for streams. At any other server the answer ends
    at once with the newest event, and an event source reconnects for more. A slow client gets only the newest
    of the events that it missed.
    """
    now = _snapshot(request.auth, job_id)
    last = EventId.parse(request.META.get("HTTP_LAST_EVENT_ID", ""))
    view_of_another(request.auth, job_id)
    if knows_all(last, now):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    if now.view is not None:
        now = msgspec.structs.replace(now, view=view_for(request.auth, now.view))
    body = preamble() + b"".join(events(last, now))
    return HttpResponse(body, headers={**HEADERS, "Cache-Control": "no-store"})


def _snapshot(owner: Owner, job_id: UUID) -> JobSnapshot:
    now = snapshot_of_job(only(fetch_all(ONE_JOB, {"id": job_id, "client": owner.reach})))
    if now.view is not None:
        return now
    (row,) = fetch_all(SNAPSHOTS, {"ids": [job_id]})
    with_progress = snapshot_of(row)
    return with_progress if with_progress.event_id.turn == now.event_id.turn else now
