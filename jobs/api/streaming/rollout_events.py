"""The server-sent events of a roll-out: `change` with how it stands, and `end` once it can change no more."""

from __future__ import annotations

from jobs.api.streaming.sse import one_event
from jobs.services.rollouts.followed import FollowedRollout


def rollout_event(now: FollowedRollout) -> bytes:
    """Return the event that shows how a roll-out stands."""
    return one_event("change" if now.is_live else "end", now.change_id, now.shown)


def knows_end(last_id: str, now: FollowedRollout) -> bool:
    """Return whether a client with this last event must not reconnect: it has had the end."""
    return not now.is_live and last_id == now.change_id
