"""Going back: one transaction that takes all of a candidate's traffic away and keeps it away."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from jobs import metrics
from jobs.services.circuits.operate import open_by_hand
from jobs.services.rollouts.changing import By, begin_take_back, move, put_alone, tell
from jobs.services.rollouts.take_back import circuit_reason
from models_registry.core.registry_errors import VersionStateError
from models_registry.core.rollouts.rollout_states import RolloutVerb
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState, VersionVerb
from models_registry.models import Rollout
from models_registry.services.change_version_state import change_state


def go_back(rollout: Rollout, *, by: By, sentence: str, **evidence: Any) -> None:
    """Roll a locked roll-out back: new rule, version blocked, circuit open, jobs to be taken back; one Event.

    RolloutStateError where its state does not allow it. Requires a transaction.
    """
    move(rollout, RolloutVerb.ROLL_BACK, sentence=sentence, hold="")
    put_alone(rollout, rollout.stable.version, by=by)
    blocked = _block(rollout, by=by, sentence=sentence)
    if blocked:
        version = VersionInfo.of(rollout.candidate)
        open_by_hand(version=version, actor=by.actor, reason=circuit_reason(rollout.pk))
    begin_take_back(rollout, closes=True)
    tell(rollout, "roll_back", by=by, sentence=sentence, blocked=blocked, **evidence)
    transaction.on_commit(metrics.ROLLED_BACK.labels(rollout.model.name).inc)


def _block(rollout: Rollout, *, by: By, sentence: str) -> bool:
    """Block the candidate; return False where another alias or roll-out routes to it, which goes on."""
    if rollout.candidate.state != VersionState.STAGED:  # a person has blocked it meanwhile
        return rollout.candidate.state == VersionState.BLOCKED
    try:
        change_state(
            name=rollout.model.name,
            version=rollout.candidate.version,
            verb=VersionVerb.BLOCK,
            actor=by.actor,
            reason=by.reason or sentence,
            address=by.address,
        )
    except VersionStateError:
        return False
    return True


def give_up(rollout: Rollout, *, by: By, sentence: str) -> None:
    """Cancel a locked roll-out: the stable version alone answers again, and the candidate is not blamed.

    RolloutStateError where it has ended. Requires a transaction.
    """
    had_rule = rollout.rule is not None
    move(rollout, RolloutVerb.CANCEL, sentence=sentence, hold="")
    if had_rule:
        put_alone(rollout, rollout.stable.version, by=by)
        begin_take_back(rollout, closes=False)
    tell(rollout, "cancel", by=by)
