"""The call that follows a roll-out, as Django answers it without `app`: how it stands now, then the end.

`app` holds streams itself and never calls this. An event source that gets this answer reconnects by itself
after the stream's `retry`, and resumes.
"""

from __future__ import annotations

from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.rollout_docs import ROLLOUT_EVENTS_DOC
from jobs.api.router import rollouts_router
from jobs.api.streaming.rollout_events import knows_end, rollout_event
from jobs.api.streaming.sse import HEADERS, preamble
from jobs.core.access.scopes import Scope
from jobs.services.rollouts.followed import reached


@rollouts_router.get(
    "/rollouts/{int:rollout_id}/events",
    operation_id="streamRolloutEvents",
    summary="How a roll-out goes on, as it happens",
    **needs(Scope.ROLL_OUT, **ROLLOUT_EVENTS_DOC),
)
def follow(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Follow a roll-out by server-sent events: `change` with how it stands, at most one a second, then `end`.

    At a server that holds no streams the answer ends at once, and an event source reconnects for more.
    """
    now = reached(request.auth, rollout_id)
    last_id = request.META.get("HTTP_LAST_EVENT_ID", "")
    if knows_end(last_id, now):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    body = preamble() + (b"" if last_id == now.change_id else rollout_event(now))
    return HttpResponse(body, headers={**HEADERS, "Cache-Control": "no-store"})
