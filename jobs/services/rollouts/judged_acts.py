"""What the judge decided, done: a new share, step or state, with an Event and a point."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models.functions import Now

from jobs.services.rollouts.asks import rollout_ask
from jobs.services.rollouts.changing import BY_JUDGE, By, change, held_for, move, put_share, tell
from jobs.services.rollouts.going_back import go_back
from jobs.services.rollouts.going_on import finish
from models_registry.core.rollouts.judging.judge_act import ActKind, JudgeAct
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutVerb
from models_registry.core.routing.switches import Switch
from models_registry.flag_reads import switch_is_on
from models_registry.models import Rollout


def apply(rollout: Rollout, act: JudgeAct) -> None:
    """Do to a locked roll-out what the judge decided. Requires a transaction."""
    if act.kind is ActKind.KEEP:
        if rollout.sentence != act.sentence:
            change(rollout, sentence=act.sentence)
    elif act.kind is ActKind.ROLL_BACK:
        _roll_back(rollout, act)
    elif act.kind is ActKind.FINISH:
        finish(rollout, by=BY_JUDGE, sentence=act.sentence)
    elif act.held is not None:
        deaths = {"deaths": int(act.numbers["deaths"])} if act.held is HoldReason.WORKER_DEATH else {}
        hold(rollout, act.held, sentence=act.sentence, share_ppm=act.share_ppm, **deaths)
    else:
        _go_on(rollout, act)


def _roll_back(rollout: Rollout, act: JudgeAct) -> None:
    change(rollout, deaths=int(act.numbers.get("deaths", rollout.deaths)))
    if not switch_is_on(Switch.AUTO_ROLLBACK, partial(rollout_ask, rollout)):
        _hold_instead(rollout, act)
        return
    by = By(BY_JUDGE.actor, act.sentence)
    go_back(rollout, by=by, sentence=act.sentence, why=act.reason, numbers=act.numbers)


def _hold_instead(rollout: Rollout, act: JudgeAct) -> None:
    """Take the share away and let a person decide, who then finds why; one who paused it decides already."""
    why = f"Not {act.sentence[:1].lower()}{act.sentence[1:]}"
    sentence = f"Held. {why} The flag {Switch.AUTO_ROLLBACK} is off: a person decides."
    if held_for(rollout) is HoldReason.PAUSED and not rollout.share_ppm:
        change(rollout, sentence=sentence)
        return
    move(rollout, RolloutVerb.HOLD, hold=HoldReason.PAUSED.value, sentence=sentence)
    _share(rollout, 0)
    why_held = {"held": HoldReason.PAUSED.value, "why": act.reason, "flag": Switch.AUTO_ROLLBACK.value}
    tell(rollout, "hold", by=BY_JUDGE, **why_held)


def _go_on(rollout: Rollout, act: JudgeAct) -> None:
    if act.kind in _VERBS:
        cleared = {"hold": ""} if act.kind is ActKind.RESUME else {"step": act.step}
        move(rollout, _VERBS[act.kind], sentence=act.sentence, step_since=Now(), **cleared)
    elif act.kind is ActKind.STEP:
        change(rollout, step=act.step, step_since=Now(), sentence=act.sentence)
    else:
        change(rollout, proven=rollout.proven or act.kind is ActKind.PROVE, sentence=act.sentence)
    _share(rollout, act.share_ppm)
    tell(rollout, act.kind.value, by=BY_JUDGE)


_VERBS = {ActKind.RESUME: RolloutVerb.RESUME, ActKind.BAKE: RolloutVerb.BAKE}


def hold(rollout: Rollout, reason: HoldReason, *, sentence: str, share_ppm: int, **columns: Any) -> None:
    """Hold a locked roll-out, also one that is held for another reason. Requires a transaction."""
    columns |= {"hold": reason.value, "sentence": sentence}
    move(rollout, RolloutVerb.HOLD, **columns)
    _share(rollout, share_ppm)
    tell(rollout, "hold", by=BY_JUDGE, held=reason.value)


def _share(rollout: Rollout, share_ppm: int) -> None:
    if share_ppm != rollout.share_ppm:
        put_share(rollout, share_ppm, by=BY_JUDGE)
