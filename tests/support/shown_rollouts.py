"""Rows of roll-outs for tests: made as the judge and the workers leave them, without either of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jobs.core.states import State
from jobs.models import Event, Job, RolloutPoint, Route, Shadow, Trial
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.models import Alias, ModelVersion, Rollout, Rule
from tests.support.factories import make_job, make_version

SENTENCE = "Held: 50 of 50 budgeted jobs met, 3 failed against 0.4 expected; e = 61 of 200"


def make_rollout(model: str = "echo", *, alias: str = "default", **fields: Any) -> Rollout:
    """Return a roll-out of version 2 beside version 1, held for its budget unless `fields` differ."""
    stable, candidate = make_version(model, "1"), make_version(model, "2")
    Alias.objects.get_or_create(model=stable.model, name=alias, defaults={"version": stable})
    usual = {
        "plan": Plan(budget=50).document, "sha256": "ab" * 32, "salt": "salt",
        "state": "held", "hold": "budget", "sentence": SENTENCE, "step": 0, "share_ppm": 0, "budget": 50,
        "met": 50, "actor": "ann",
        "reason": "a better one", "ticket": "CHG-7",
    }  # fmt: skip
    names = {"model": stable.model, "alias": alias, "stable": stable, "candidate": candidate}
    row = Rollout.objects.create(**(usual | names | fields))
    row.refresh_from_db()
    return row


def make_rule(number: int, rollout: Rollout | None = None, **fields: Any) -> Rule:
    """Return a rule of the roll-out's alias, or of `echo@default`; `share` is the candidate's."""
    share = fields.pop("share", 0.01)
    document = {"stable": "1", "candidate": "2", "share": share, "baseline": True, "salt": "salt"}
    model = rollout.model.name if rollout else "echo"
    usual = {"model": model, "alias": rollout.alias if rollout else "default", "document": document,
             "sha256": "cd" * 32, "actor": "judge", "rollout": rollout.pk if rollout else None}  # fmt: skip
    row = Rule.objects.create(number=number, **(usual | fields))
    row.refresh_from_db()
    return row


def numbers(
    judged: int, failed: int, judged_stable: int, failed_stable: int, **more: float
) -> dict[str, Any]:
    """Return what the judge keeps of a look: keys and failures, and e-values by the names of the tests."""
    return {
        "judged": judged, "failed": failed, "judged_stable": judged_stable, "failed_stable": failed_stable,
        "keys_needed": 4_900.0, "pairs": 0, "pairs_needed": 1_800.0, **more,
    }  # fmt: skip


def make_point(
    rollout: Rollout, act: str = "", *, at: datetime | None = None, **document: Any
) -> RolloutPoint:
    """Return a point of the roll-out's curves."""
    standing = {"state": rollout.state, "share_ppm": 10_000, "met": 10, "budget": 50, "sentence": SENTENCE}
    return RolloutPoint.objects.create(
        rollout=rollout.pk, act=act, document=standing | document, at=at or timezone.now()
    )


def make_routed(rollout: Rollout, arm: str = "candidate", *, rule: Rule | None = None, **fields: Any) -> Job:
    """Return a job that a rule routed, and that its arm's version answered unless `version` did."""
    version = rollout.candidate if arm == "candidate" else rollout.stable
    usual: dict[str, Any] = {"model": rollout.model.name, "version": version, "state": State.SUCCEEDED}
    job = make_job(**(usual | fields))
    key = {"key": 7, "counted": True, "rule": rule.pk if rule else None, "rollout": rollout.pk}
    Route.objects.create(job=job, arm=arm, asked=rollout.model.name, **key)
    return job


def note_reroute(job: Job, kind: str, before: ModelVersion, to: ModelVersion, **detail: Any) -> Event:
    """Append the Event of a rescue or of a take-back."""
    names = {"from": before.pk, "to": to.pk, **detail}
    return Event.objects.create(job=job, kind=kind, actor="worker", epoch=job.epoch, detail=names)


def make_trial(rollout: Rollout, kind: str, **fields: Any) -> Trial:
    """Return a trial of the roll-out that is done."""
    versions = {"candidate": rollout.candidate, "stable": rollout.stable}
    usual = {"kind": kind, "rollout": rollout.pk, "model": rollout.model.name, "state": "done",
             "actor": "platform", "ended_at": timezone.now() - timedelta(minutes=1)}  # fmt: skip
    return Trial.objects.create(**(usual | versions | fields))


def make_shadow(rollout: Rollout, rule: int = 1, **fields: Any) -> Shadow:
    """Return the shadow of a rule, with the versions of a roll-out."""
    usual: dict[str, Any] = {
        "rule": rule, "model": rollout.model.name, "alias": rollout.alias, "number": rule, "share": 1.0,
        "batch_s": 0.05, "time_share": 0.002, "stable": rollout.stable, "version": rollout.candidate,
    }  # fmt: skip
    return Shadow.objects.create(**(usual | fields))


def shadow_counts(*differences: dict[str, Any]) -> dict[str, Any]:
    """Return what a shadow has shown as its row keeps it, by labels."""
    pairs = {
        "ran": 4, "compared": 3, "agreed": 2, "candidate_failed": {"internal: ValueError": 1},
        "candidate_alone_failed": 1, "differences": [list(row.values()) for row in differences],
        "times": {"by_size": {"2": [[0.02, 0.01]]}}, "between": {"counts": {"3": {"8": 1, "3": 2}}},
    }  # fmt: skip
    return {"pairs": pairs, "noise_compared": 1, "noise_agreed": 1}
