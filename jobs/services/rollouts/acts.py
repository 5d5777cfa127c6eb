"""What people do to a roll-out. Whether they may is the caller's to check; each act is an audited Event."""

from __future__ import annotations

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from jobs.services.rollouts.changing import (
    By,
    change,
    check_verb,
    held_for,
    lacks_approvals,
    locked,
    move,
    plan_of,
    proposers,
    put_share,
    tell,
)
from jobs.services.rollouts.evidence_rows import kept_evidence
from jobs.services.rollouts.going_back import give_up, go_back
from jobs.services.rollouts.going_on import exposed_share_ppm, finish, take_step
from jobs.services.rollouts.start import plan_sha256
from models_registry.core.registry_errors import ApprovalError, RolloutStateError
from models_registry.core.rollouts.judging.standing import JUDGED_STATES
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState, RolloutVerb
from models_registry.models import Rollout, RolloutApproval


def pause(rollout_id: int, *, actor: str, reason: str = "", address: str | None = None) -> Rollout:
    """Take the candidate's share away until a person resumes; RolloutNotFoundError, RolloutStateError."""
    by = By(actor, reason, address)
    with transaction.atomic():
        rollout = locked(rollout_id)
        if held_for(rollout) is HoldReason.PAUSED:
            raise RolloutStateError(f"Roll-out {rollout.pk} is paused already.")
        sentence = f"{actor} paused it." if not reason else f"{actor} paused it: {reason}"
        # Also one that is held for another reason: then no judge may resume it.
        move(rollout, RolloutVerb.HOLD, sentence=sentence, hold=HoldReason.PAUSED.value)
        put_share(rollout, 0, by=by)
        tell(rollout, "pause", by=by)
    return rollout


def resume(rollout_id: int, *, actor: str, reason: str = "", address: str | None = None) -> Rollout:
    """Let a held roll-out go on at its step.

    RolloutStateError unless it is held, or where its budget is spent; ApprovalError where approvals lack.
    """
    by = By(actor, reason, address)
    with transaction.atomic():
        rollout = locked(rollout_id)
        check_verb(rollout, RolloutVerb.RESUME)
        _check_budget(rollout)
        _check_approved(rollout)
        move(rollout, RolloutVerb.RESUME, sentence=f"{actor} resumed it.", hold="", step_since=Now())
        put_share(rollout, exposed_share_ppm(rollout), by=by)
        tell(rollout, "resume", by=by)
    return rollout


def promote(
    rollout_id: int, *, actor: str, reason: str = "", address: str | None = None, anyway: str | None = None
) -> Rollout:
    """Bring a roll-out to its next step before its time, or end it as done where it bakes.

    With `anyway`, a reason, also past evidence that is missing; then no budget binds it any more. Without it
    RolloutStateError where evidence is missing, or in another state; ApprovalError where approvals lack.
    """
    by = By(actor, anyway or reason, address)
    with transaction.atomic():
        rollout = locked(rollout_id)
        if rollout.state not in JUDGED_STATES:
            raise RolloutStateError(f"Roll-out {rollout.pk} is {rollout.state}: it cannot be promoted.")
        _check_approved(rollout)
        if not anyway:
            _check_evidence(rollout)
        tell(rollout, "promote", by=by, **({"anyway": anyway} if anyway else {}))
        change(rollout, proven=rollout.proven or bool(anyway))
        sentence = f"{actor} promoted it: {by.reason}" if by.reason else f"{actor} promoted it."
        if rollout.state == RolloutState.BAKING:
            finish(rollout, by=by, sentence=sentence)
        else:
            _take_next_step(rollout, by=by, sentence=sentence)
    return rollout


def roll_back(rollout_id: int, *, actor: str, reason: str = "", address: str | None = None) -> Rollout:
    """Send all traffic back to the stable version and block the candidate; it needs no approval.

    RolloutNotFoundError, RolloutStateError.
    """
    with transaction.atomic():
        rollout = locked(rollout_id)
        sentence = f"{actor} rolled it back: {reason}" if reason else f"{actor} rolled it back."
        go_back(rollout, by=By(actor, reason, address), sentence=sentence)
    return rollout


def cancel(rollout_id: int, *, actor: str, reason: str = "", address: str | None = None) -> Rollout:
    """End a live roll-out; the stable version answers again, and the candidate stays staged.

    RolloutNotFoundError, RolloutStateError.
    """
    with transaction.atomic():
        rollout = locked(rollout_id)
        sentence = f"{actor} cancelled it: {reason}" if reason else f"{actor} cancelled it."
        give_up(rollout, by=By(actor, reason, address), sentence=sentence)
    return rollout


def approve(
    rollout_id: int, *, actor: str, reason: str = "", address: str | None = None, sha256: str | None = None
) -> Rollout:
    """Approve a live roll-out's plan as it is now; with `sha256`, only if that is still the plan's.

    ApprovalError for who started it or set its budget, who approved it already, or an older plan;
    RolloutStateError once ended.
    """
    by = By(actor, reason, address)
    with transaction.atomic():
        rollout = locked(rollout_id)
        check_verb(rollout, RolloutVerb.CANCEL)  # allowed in all states that live
        if actor in proposers(rollout):
            done = "started" if rollout.actor == actor else "set the budget of"
            raise ApprovalError(f"{actor} {done} roll-out {rollout.pk}: another person has to approve it.")
        if sha256 is not None and sha256 != rollout.sha256:
            raise ApprovalError(f"The plan of roll-out {rollout.pk} is another one now: read it again.")
        _, is_new = RolloutApproval.objects.get_or_create(rollout=rollout, actor=actor, sha256=rollout.sha256)
        if not is_new:
            raise ApprovalError(f"{actor} has approved this plan already.")
        tell(rollout, "approve", by=by, sha256=rollout.sha256, lacks=lacks_approvals(rollout))
    return rollout


def grant_budget(
    rollout_id: int, *, budget: int, actor: str, reason: str = "", address: str | None = None
) -> Rollout:
    """Let the candidate meet up to `budget` jobs in all until it is proven; earlier approvals are void.

    RolloutPlanError for no number above 0; RolloutStateError once it has ended, or for fewer than it has met.
    """
    by = By(actor, reason, address)
    with transaction.atomic():
        rollout = locked(rollout_id)
        check_verb(rollout, RolloutVerb.CANCEL)
        plan = type(plan_of(rollout)).of({**rollout.plan, "budget": budget})
        if budget < rollout.met:
            raise RolloutStateError(f"The candidate has met {rollout.met:,} jobs already.")
        before = rollout.budget
        change(
            rollout,
            plan=msgspec.to_builtins(plan),
            sha256=plan_sha256(plan, rollout.stable, rollout.candidate),
            budget=budget,
        )
        tell(rollout, "budget", by=by, before=before, after=budget)
    return rollout


def _check_approved(rollout: Rollout) -> None:
    if lacks := lacks_approvals(rollout):
        people = "another person" if lacks == 1 else f"{lacks} more people"
        raise ApprovalError(f"The plan of roll-out {rollout.pk} has to be approved by {people} first.")


def _check_budget(rollout: Rollout) -> None:
    if not rollout.proven and rollout.met >= rollout.budget:
        met = f"{rollout.met:,} of {rollout.budget:,} budgeted jobs"
        raise RolloutStateError(f"The candidate has met {met}: grant another budget, or promote it.")


def _check_evidence(rollout: Rollout) -> None:
    if not kept_evidence(rollout.pk).passes:
        raise RolloutStateError(
            f"Roll-out {rollout.pk} has not shown enough: {rollout.sentence} To promote it all the same, give"
            " a reason as `anyway`."
        )


def _take_next_step(rollout: Rollout, *, by: By, sentence: str) -> None:
    if rollout.state == RolloutState.HELD:
        move(rollout, RolloutVerb.RESUME, sentence=sentence, hold="", step_since=Now())
    take_step(rollout, by=by, sentence=sentence)
