"""A roll-out as a command follows it: its row, read once a second."""

from __future__ import annotations

import time
from collections.abc import Iterator

from jobs.services.rollouts.followed import FollowedRollout, followed

LOOK_S = 1.0


def changes(rollout_id: int) -> Iterator[FollowedRollout]:
    """Yield how a roll-out stands, now and after each change, until it has ended; RolloutNotFoundError."""
    last_id = ""
    while True:
        now = followed(rollout_id)
        if now.change_id != last_id:
            last_id = now.change_id
            yield now
        if not now.is_live:
            return
        time.sleep(LOOK_S)
