"""How roll-outs stand, from their rows: what those see who follow one, if their token may see it.

A roll-out of a model that a client may not use does not exist for it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from jobs.db.statement import Statement, fetch_all
from jobs.services.access.owner import Owner
from models_registry.core.registry_errors import RolloutNotFoundError
from models_registry.core.rollouts.rollout_states import LIVE
from models_registry.core.routing.rule_document import PPM

LARGEST_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class FollowedRollout:
    """The columns of a roll-out that change while it goes on, with what it is of."""

    id: int
    model: str
    alias: str
    stable: str
    candidate: str
    state: str
    hold: str
    sentence: str
    step: int
    share_ppm: int
    met: int
    budget: int
    proven: bool
    deaths: int
    state_since: datetime
    ended_at: datetime | None

    @property
    def is_live(self) -> bool:
        """Return whether it may still change."""
        return self.state in LIVE

    @property
    def shown(self) -> dict[str, Any]:
        """Return the members that the API shows."""
        members = asdict(self)
        return {**members, "hold": self.hold or None, "share": members.pop("share_ppm") / PPM}

    @property
    def change_id(self) -> str:
        """Return a digest of the columns: another one after each change."""
        return sha256(msgspec.json.encode(asdict(self))).hexdigest()[:16]


FOLLOWED = Statement(
    """
SELECT r.id, m.name AS model, r.alias, s.version AS stable, c.version AS candidate, r.state, r.hold,
  r.sentence, r.step, r.share_ppm, r.met, r.budget, r.proven, r.deaths, r.state_since, r.ended_at
FROM models_registry_rollout r
JOIN models_registry_registeredmodel m ON m.id = r.model_id
JOIN models_registry_modelversion s ON s.id = r.stable_id
JOIN models_registry_modelversion c ON c.id = r.candidate_id
WHERE r.id = ANY(%(ids)b::bigint[])
""",
    FollowedRollout,
)


def followed(rollout_id: int) -> FollowedRollout:
    """Return how a roll-out stands; RolloutNotFoundError."""
    return only_followed(rollout_id, fetch_all(FOLLOWED, followed_params(rollout_id)))


def followed_params(rollout_id: int) -> dict[str, Any]:
    """Return the parameters of FOLLOWED for one roll-out; an id that no row can have finds none."""
    return {"ids": [rollout_id] if rollout_id <= LARGEST_ID else []}


def only_followed(rollout_id: int, rows: list[FollowedRollout]) -> FollowedRollout:
    """Return the row that was read; RolloutNotFoundError where there is none."""
    if not rows:
        raise RolloutNotFoundError(f"There is no roll-out {rollout_id}.")
    return rows[0]


def reached(owner: Owner, rollout_id: int) -> FollowedRollout:
    """Return a roll-out that the owner may see; RolloutNotFoundError for any other."""
    return check_reach(owner, followed(rollout_id))


def check_reach(owner: Owner, rollout: FollowedRollout) -> FollowedRollout:
    """Return the roll-out; of a model that the owner may not use it does not exist: RolloutNotFoundError."""
    if not owner.may_use(rollout.model):
        raise RolloutNotFoundError(f"There is no roll-out {rollout.id}.")
    return rollout
