"""Going on: the next step, the baking, and the end, where the alias moves to the candidate."""

from __future__ import annotations

from django.db.models.functions import Now

from jobs.services.rollouts.changing import By, change, move, plan_of, put_alone, put_share, tell
from models_registry.core.rollouts.rollout_states import RolloutVerb
from models_registry.core.routing.rule_document import PPM
from models_registry.models import Rollout


def exposed_share_ppm(rollout: Rollout) -> int:
    """Return the candidate's share at its step; at the last one the old version keeps the holdback."""
    plan = plan_of(rollout)
    return min(plan.shares_ppm[rollout.step], PPM - plan.holdback_ppm)


def take_step(rollout: Rollout, *, by: By, sentence: str) -> None:
    """Bring a running roll-out to its next step; the last one is the baking. Requires a transaction."""
    last = len(plan_of(rollout).steps) - 1
    step = min(rollout.step + 1, last)
    if step == last:
        bake(rollout, by=by, sentence=sentence)
        return
    change(rollout, step=step, step_since=Now(), sentence=sentence)
    put_share(rollout, exposed_share_ppm(rollout), by=by)
    tell(rollout, "step", by=by)


def bake(rollout: Rollout, *, by: By, sentence: str) -> None:
    """Give a running candidate all traffic but the holdback. Requires a transaction."""
    last = len(plan_of(rollout).steps) - 1
    move(rollout, RolloutVerb.BAKE, sentence=sentence, step=last, step_since=Now())
    put_share(rollout, exposed_share_ppm(rollout), by=by)
    tell(rollout, "bake", by=by)


def finish(rollout: Rollout, *, by: By, sentence: str) -> None:
    """Move the alias to a candidate that has baked; a worker keeps the old version warm as after any move.

    Requires a transaction.
    """
    move(rollout, RolloutVerb.FINISH, sentence=sentence)
    put_alone(rollout, rollout.candidate.version, by=by)  # it points the alias there, with a Promotion
    tell(rollout, "finish", by=by)
