"""The server-sent events of a roll-out: `change` with how it stands, and `end` once it can change no more."""

from __future__ import annotations

from jobs.api.streaming.sse import one_event
from jobs.services.rollouts.standings import RolloutStanding


def rollout_event(standing: RolloutStanding) -> bytes:
    """Return the event that shows a standing."""
    return one_event("change" if standing.is_live else "end", standing.change_id, standing.shown)


def knows_end(last_id: str, standing: RolloutStanding) -> bool:
    """Return whether a client with this last event must not reconnect: it has had the end."""
    return not standing.is_live and last_id == standing.change_id
