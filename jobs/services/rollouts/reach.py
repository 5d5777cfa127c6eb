"""Which roll-outs a token may see: those of the models that its client may use."""

from __future__ import annotations

from jobs.services.access.owner import Owner
from jobs.services.rollouts.followed import FollowedRollout, followed
from models_registry.core.registry_errors import RolloutNotFoundError


def reached(owner: Owner, rollout_id: int) -> FollowedRollout:
    """Return a roll-out that the owner may see; RolloutNotFoundError for any other."""
    return check_reach(owner, followed(rollout_id))


def check_reach(owner: Owner, rollout: FollowedRollout) -> FollowedRollout:
    """Return the roll-out; of a model that the owner may not use it does not exist: RolloutNotFoundError."""
    if not owner.may_use(rollout.model):
        raise RolloutNotFoundError(f"There is no roll-out {rollout.id}.")
    return rollout
