"""Trials as a roll-out needs them: its gate, its duels, and what they have shown.

Each call joins the caller's transaction, and may be repeated: nothing is begun twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models.functions import Now

from jobs.core.trials.trial_specs import DuelSpec, GateSpec, document_of, spec_of
from jobs.models.rollouts.version_trial import Trial, TrialKind, TrialState
from jobs.services.trials.start_trial import start_trial
from models_registry import selectors
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence, with_duels
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.models import Rollout

ACTOR = "platform"
OPEN = (TrialState.WAITING, TrialState.RUNNING)


class GateResult(NamedTuple):
    """Whether a candidate may get a share, why in a sentence, and the report of its gate."""

    passed: bool
    sentence: str
    report: dict[str, Any]


def begin_gate(rollout: Rollout) -> int:
    """Have a worker try the candidate; return the id of the trial, also where it was begun before."""
    gate = _trials(rollout, TrialKind.GATE).last()
    return int(gate.pk) if gate is not None else _start(rollout, TrialKind.GATE, GateSpec())


def gate_result(rollout: Rollout) -> GateResult | None:
    """Return the result of the gate; None while it waits or runs, or was cancelled.

    A gate that ended two workers, or could not be run, has not passed.
    """
    gate = _trials(rollout, TrialKind.GATE).last()
    if gate is None or gate.state not in (TrialState.DONE, TrialState.FAILED):
        return None
    report = gate.report or {}
    return GateResult(gate.state == TrialState.DONE and bool(report.get("passed")), gate.outcome, report)


def begin_duels(rollout: Rollout, *, pairs: int | None = None) -> int | None:
    """Have a worker run duels up to so many pairs in all, the plan's number by default.

    Return the id of the trial that runs them. None where the plan wants no duels, they are run already, or
    no stored inputs are left for them.
    """
    plan = Plan.of(rollout.plan)
    wanted = plan.duels if pairs is None else pairs
    last = _trials(rollout, TrialKind.DUEL).last()
    missing = wanted - duel_evidence(rollout).pairs
    if not plan.duels or (missing <= 0 and (last is None or last.state not in OPEN)):
        return None
    if last is None:
        return _start(rollout, TrialKind.DUEL, _duels(rollout, plan, missing))
    if last.state in OPEN:
        _raise_pairs(last, wanted, before=duel_evidence(rollout).pairs - _of(last).pairs)
        return int(last.pk)
    if last.state == TrialState.FAILED or last.progress.get("all_run"):
        return None
    return _start(rollout, TrialKind.DUEL, _duels(rollout, plan, missing, last))


def duel_evidence(rollout: Rollout) -> DuelEvidence:
    """Return what all duels of a roll-out have shown so far, those that run included."""
    evidence = DuelEvidence()
    for trial in _trials(rollout, TrialKind.DUEL):
        evidence = with_duels(evidence, _of(trial))
    return evidence


def end_trials(rollout: Rollout) -> int:
    """Cancel what a roll-out that ends has not finished; return how many. Workers stop within seconds."""
    ended = {"state": TrialState.CANCELLED, "ended_at": Now(), "outcome": "Its roll-out has ended."}
    return Trial.objects.filter(rollout=rollout.pk, state__in=OPEN).update(**ended)


def _trials(rollout: Rollout, kind: TrialKind) -> Any:
    return Trial.objects.filter(rollout=rollout.pk, kind=kind).order_by("id")


def _start(rollout: Rollout, kind: TrialKind, spec: GateSpec | DuelSpec) -> int:
    return start_trial(
        kind=kind,
        candidate=selectors.info(rollout.candidate_id),
        stable=selectors.info(rollout.stable_id),
        spec=spec,
        actor=ACTOR,
        rollout=rollout.pk,
    )


def _duels(rollout: Rollout, plan: Plan, pairs: int, last: Trial | None = None) -> DuelSpec:
    agreement = plan.agreement or selectors.info(rollout.candidate_id).platform_options.agreement
    return DuelSpec(pairs, plan.slower, agreement, None if last is None else last.progress.get("before"))


def _raise_pairs(trial: Trial, wanted: int, *, before: int) -> None:
    """Ask a trial that has not ended for more; its worker reads that with its next beat."""
    spec = spec_of(DuelSpec, trial.spec)
    if wanted - before > spec.pairs:
        trial.spec = document_of(DuelSpec(wanted - before, spec.slower, spec.agreement, spec.before))
        trial.save(update_fields=["spec"])


def _of(trial: Trial) -> DuelEvidence:
    return DuelEvidence.of(trial.progress.get("duels", {}))
