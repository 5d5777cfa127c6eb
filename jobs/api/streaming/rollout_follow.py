"""`GET /rollouts/{id}/events`: server-sent events until the roll-out has ended."""

from __future__ import annotations

from jobs.api.http.asgi_call import Call
from jobs.api.streaming.event_stream import SseStream
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.rollout_events import knows_end, rollout_event
from jobs.api.streaming.rollout_watch import RolloutWaiter
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.core.access.scopes import Scope
from jobs.metrics import STREAM_WAITING
from jobs.services.rollouts.followed import FollowedRollout, check_reach

KIND = "rollout_events"


async def answer_rollout_events(rollout_id: int, call: Call, hub: Hub) -> None:
    """Answer one call, or raise the error to answer with; 204 where the client has had the end already."""
    auth = StreamAuth(hub, call)
    owner = await auth.owner(Scope.ROLL_OUT)
    now = check_reach(owner, await hub.rollouts.read(rollout_id))
    last_id = call.request.headers.get("last-event-id", "")
    if knows_end(last_id, now):
        await call.begin(204, {})
        await call.piece(b"", last=True)
        return
    with (
        auth.waiting(hub.streams) as revoked,
        hub.rollouts.watch(rollout_id, last_id) as waiter,
        STREAM_WAITING.labels(KIND).track_inprogress(),
    ):
        waiter.put(now)
        await RolloutStream(call, auth, waiter).run(revoked)


class RolloutStream(SseStream[FollowedRollout]):
    """One client's events of a roll-out."""

    def __init__(self, call: Call, auth: StreamAuth, waiter: RolloutWaiter) -> None:
        """Prepare to send what `waiter` gets."""
        super().__init__(call, waiter)
        self._auth = auth

    async def send(self, now: FollowedRollout) -> bool:
        """Send a change, and return whether the roll-out has ended."""
        if not now.is_live:
            await self._auth.again()
        await self._call.piece(rollout_event(now))
        return not now.is_live
