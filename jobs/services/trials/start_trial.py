"""Starts trials, and shows how far they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Model
from msgspec import Struct

from jobs.core.trials.trial_specs import document_of
from jobs.models.rollouts.version_trial import Trial, TrialKind, TrialState
from models_registry.core.version import VersionInfo


class TrialView(NamedTuple):
    """A trial as people see it; versions as `name:version`. `done` is the part that is done, 0 to 1."""

    id: int
    kind: str
    rollout: int | None
    model: str
    candidate: str
    stable: str | None
    state: str
    node: str
    done: float | None
    outcome: str
    report: dict[str, Any] | None
    actor: str
    created_at: datetime
    ended_at: datetime | None


def start_trial(
    *,
    kind: TrialKind,
    candidate: VersionInfo,
    stable: VersionInfo | None,
    spec: Struct,
    actor: str,
    rollout: int | None = None,
) -> int:
    """Have a worker of the model run a trial; return its id. It joins the caller's transaction."""
    row = Trial.objects.create(
        kind=kind,
        rollout=rollout,
        model=candidate.model,
        candidate_id=candidate.id,
        stable_id=None if stable is None else stable.id,
        spec=document_of(spec),
        actor=actor,
    )
    return int(row.pk)


def trial_view(trial_id: int, *, kind: TrialKind | None = None) -> TrialView | None:
    """Return a trial, of that kind if one is given; None where there is none."""
    if not 0 < trial_id < 1 << 63:
        return None
    rows = Trial.objects.select_related("candidate__model", "stable__model").filter(pk=trial_id)
    row = (rows if kind is None else rows.filter(kind=kind)).first()
    return None if row is None else _view(row)


def last_trials(*, model: str | None = None, most: int = 100) -> list[TrialView]:
    """Return the last trials (of a model, if one is given), newest first."""
    rows = Trial.objects.select_related("candidate__model", "stable__model").order_by("-id")
    return [_view(row) for row in (rows if model is None else rows.filter(model=model))[:most]]


def _view(row: Trial) -> TrialView:
    return TrialView(
        row.pk, row.kind, row.rollout, row.model, _name(row.candidate), _name(row.stable) or None, row.state,
        row.node, _done(row), row.outcome, row.report, row.actor, row.created_at, row.ended_at,
    )  # fmt: skip


def _name(version: Model | None) -> str:
    return "" if version is None else str(version)


def _done(row: Trial) -> float | None:
    """Return the part of a trial that is done, where its worker says so."""
    if row.state == TrialState.DONE:
        return 1.0
    share = row.progress.get("share") if isinstance(row.progress, dict) else None
    return float(share) if isinstance(share, int | float) else None
