"""A change of a roll-out: its row is locked and its state checked; an Event and a point tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Now

from jobs.core.access.audit_kinds import AuditKind
from jobs.models import Evidence, RolloutPoint, TakeBack
from jobs.services.access.audit import ACTOR_CHARS, note
from jobs.services.rollouts.take_back import JUDGE
from jobs.services.trials.for_rollouts import end_trials
from models_registry.core.registry_errors import RolloutNotFoundError, RolloutStateError
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import LIVE, ROLLOUT_TRANSITIONS, HoldReason, RolloutVerb
from models_registry.core.routing.rule_document import PPM, RuleDocument
from models_registry.models import Rollout
from models_registry.services.rules import put_rule


@dataclass(frozen=True, slots=True)
class By:
    """Who changes a roll-out, why, and from which address; None for a command and for the judge."""

    actor: str
    reason: str = ""
    address: str | None = None


BY_JUDGE = By(JUDGE)


def locked(rollout_id: int) -> Rollout:
    """Lock a roll-out's row and return it; RolloutNotFoundError. Requires a transaction."""
    rows = Rollout.objects.select_related("model", "stable", "candidate").select_for_update(of=("self",))
    rollout = rows.filter(pk=rollout_id).first()
    if rollout is None:
        raise RolloutNotFoundError(f"There is no roll-out {rollout_id}.")
    return rollout


def plan_of(rollout: Rollout) -> Plan:
    """Return the plan of a roll-out."""
    return Plan.of(rollout.plan)


def check_verb(rollout: Rollout, verb: RolloutVerb) -> None:
    """Refuse a verb that the roll-out's state does not allow: RolloutStateError."""
    if rollout.state not in ROLLOUT_TRANSITIONS[verb][0]:
        raise RolloutStateError(
            f"Roll-out {rollout.pk} is {rollout.state}, which does not allow to {verb.replace('_', ' ')} it."
        )


def move(rollout: Rollout, verb: RolloutVerb, *, sentence: str, **columns: Any) -> None:
    """Bring a locked roll-out into the state that a verb ends in; RolloutStateError."""
    check_verb(rollout, verb)
    target = ROLLOUT_TRANSITIONS[verb][1]
    change(rollout, state=target.value, state_since=Now(), sentence=sentence, **columns)
    if target not in LIVE:
        change(rollout, ended_at=Now())
        end_trials(rollout)


def change(rollout: Rollout, **columns: Any) -> None:
    """Write columns of a locked roll-out, to the row and to the object."""
    Rollout.objects.filter(pk=rollout.pk).update(**columns)
    for name, value in columns.items():
        if not hasattr(value, "resolve_expression"):
            setattr(rollout, name, value)


def put_share(rollout: Rollout, share_ppm: int, *, by: By) -> None:
    """Put a rule in force that gives the candidate this share, per million; 0 takes its jobs back."""
    plan = plan_of(rollout)
    document = RuleDocument(
        stable=rollout.stable.version,
        candidate=rollout.candidate.version,
        share=share_ppm / PPM,
        baseline=plan.baseline and 0 < share_ppm < PPM // 2,
        sticky=plan.sticky,
        # A cohort is decided before the shares: without a share it would still bring jobs to the candidate.
        cohorts=plan.cohorts if share_ppm else (),
        schema=plan.schema,
        salt=rollout.salt,
    )
    _put(rollout, document, share_ppm, by)
    if share_ppm:
        TakeBack.objects.filter(rollout=rollout.pk).delete()
    else:
        begin_take_back(rollout, closes=False)


def put_alone(rollout: Rollout, version: str, *, by: By) -> None:
    """Put a rule in force in which one version answers all jobs of the alias."""
    _put(rollout, RuleDocument(stable=version), 0, by)


def begin_take_back(rollout: Rollout, *, closes: bool) -> None:
    """Note that the candidate's queued jobs are to be taken back, from now on."""
    TakeBack.objects.update_or_create(
        rollout=rollout.pk, defaults={"closes": closes, "since": Now()}, create_defaults={"closes": closes}
    )


def _put(rollout: Rollout, document: RuleDocument, share_ppm: int, by: By) -> None:
    rule = put_rule(
        model=rollout.model.name,
        alias=rollout.alias,
        document=document.document,
        actor=by.actor,
        reason=by.reason,
        address=by.address,
        rollout=rollout.pk,
        approvals=approvals_of(rollout),
    )
    change(rollout, share_ppm=share_ppm, rule=rule.pk)


def approvals_of(rollout: Rollout) -> list[dict[str, str]]:
    """Return who approved the plan as it is now, and when, oldest first."""
    rows = rollout.approvals.filter(sha256=rollout.sha256).order_by("id")
    return [{"actor": row.actor, "at": row.at.isoformat()} for row in rows]


def lacks_approvals(rollout: Rollout) -> int:
    """Return how many more people have to approve the plan as it is now."""
    required = rollout.model.approvals
    return max(0, required - len(approvals_of(rollout))) if required else 0


def proposers(rollout: Rollout) -> frozenset[str]:
    """Return who made the plan as it is: who started the roll-out, and who last set its budget."""
    points = RolloutPoint.objects.filter(rollout=rollout.pk, act="budget").order_by("-id")
    changed = points.values_list("document__actor", flat=True).first()
    return frozenset(name for name in (rollout.actor, changed) if name)


def tell(rollout: Rollout, act: str, *, by: By, **detail: Any) -> None:
    """Append an Event and a point that say what was done to a roll-out, by whom and why."""
    names: dict[str, Any] = {
        "model": rollout.model.name,
        "alias": rollout.alias,
        "candidate": rollout.candidate.version,
    }
    why: dict[str, Any] = {"reason": by.reason} if by.reason else {}
    note(
        AuditKind.ROLLOUT,
        actor=by.actor,
        rollout=rollout.pk,
        act=act,
        state=rollout.state,
        **names,
        **why,
        **detail,
    )
    add_point(rollout, act, actor=by.actor[:ACTOR_CHARS], **why, **detail)


def add_point(rollout: Rollout, act: str = "", **detail: Any) -> None:
    """Add a point to a roll-out's curves, with what is known of it now."""
    evidence = Evidence.objects.filter(pk=rollout.pk).values_list("document", flat=True).first() or {}
    standing = {
        "state": rollout.state,
        "hold": rollout.hold,
        "step": rollout.step,
        "share_ppm": rollout.share_ppm,
        "met": rollout.met,
        "budget": rollout.budget,
        "proven": rollout.proven,
        "deaths": rollout.deaths,
        "rule": rollout.rule,
        "sentence": rollout.sentence,
        "numbers": evidence.get("numbers", {}),
    }
    RolloutPoint.objects.create(rollout=rollout.pk, act=act, document={**standing, **detail})


def held_for(rollout: Rollout) -> HoldReason | None:
    """Return why a roll-out is held; None where it is not."""
    return HoldReason(rollout.hold) if rollout.hold else None
