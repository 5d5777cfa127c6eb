"""The call that follows a job, where Django is asked without `server`: its newest events, and the end.

`server` holds streams itself and never asks this; an event source that meets it comes back by itself after
the stream's `retry`, and resumes.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.request_docs import EVENTS_DOC
from jobs.api.router import router
from jobs.api.streaming.sse import HEADERS, events, knows_all, preamble
from jobs.core.access.scopes import Scope
from jobs.core.errors import JobNotFoundError
from jobs.core.event_id import EventId
from jobs.db.positional import fetch_all
from jobs.services.access.audit import view_of_another
from jobs.services.access.owner import Owner
from jobs.services.reads.job_views import ONE
from jobs.services.reads.payloads import view_for
from jobs.services.reads.snapshot import STANDING, JobSnapshot, standing_of, standing_of_view


@router.get(
    "/jobs/{uuid:job_id}/events",
    operation_id="streamJobEvents",
    summary="A job's events, as they come",
    **needs(Scope.READ, **EVENTS_DOC),
)
def follow(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Follow a job by server-sent events: `state`, `progress`, and `end` with the whole job, the last.

    Call the job's `urls.events`: it leads to the server that holds streams. Elsewhere the answer ends at once
    with the newest event, and an event source comes back for more. What lies between two events that a client
    was too slow for is left out.
    """
    now = _standing(request.auth, job_id)
    told = EventId.parse(request.META.get("HTTP_LAST_EVENT_ID", ""))
    view_of_another(request.auth, job_id)
    if knows_all(told, now):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    if now.view is not None:
        now = replace(now, view=view_for(request.auth, now.view))
    body = preamble() + b"".join(events(told, now))
    return HttpResponse(body, headers={**HEADERS, "Cache-Control": "no-store"})


def _standing(owner: Owner, job_id: UUID) -> JobSnapshot:
    rows = fetch_all(ONE, {"id": job_id, "client": owner.reach})
    if not rows:
        raise JobNotFoundError
    now = standing_of_view(rows[0])
    newer = standing_of(fetch_all(STANDING, {"ids": [job_id]})[0]) if now.view is None else now
    return newer if newer.mark.turn == now.mark.turn else now
