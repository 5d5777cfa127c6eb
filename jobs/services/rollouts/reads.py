"""Reads of roll-outs and rules, for the API, the command and the admin."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.db.statement import storable
from jobs.models import Evidence, RolloutPoint
from jobs.services.rollouts.changing import approvals_of
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import ModelNotFoundError, RolloutNotFoundError
from models_registry.core.routing.rule_document import PPM
from models_registry.models import RegisteredModel, Rollout, Rule

MOST = 100
MOST_POINTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """A roll-out as it is shown. Shares are from 0 to 1; `steps` are shares too, `step` counts from 0.

    `numbers` are what the judge found at its last look: e-values, keys and failures of each arm, what is
    enough. `budget` binds `met` until it is `proven`.
    """

    id: int
    model: str
    alias: str
    stable: str
    candidate: str
    state: str
    hold: str
    sentence: str
    step: int
    steps: list[float]
    share: float
    budget: int
    met: int
    proven: bool
    deaths: int
    rule: int | None  # the number of its rule that is or was last in force
    plan: dict[str, Any]
    sha256: str
    actor: str
    reason: str
    ticket: str
    approvals: list[dict[str, str]]
    approvals_required: int
    created_at: datetime
    state_since: datetime
    step_since: datetime
    ended_at: datetime | None
    numbers: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointView:
    """How a roll-out stood at a time; `act` is empty for a look that changed nothing."""

    id: int
    at: datetime
    act: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule; the one with the highest number of an alias is in force."""

    id: int
    model: str
    alias: str
    number: int
    document: dict[str, Any]
    sha256: str
    rollout: int | None
    actor: str
    reason: str
    approvals: list[Any]
    at: datetime


def rollout_view(rollout_id: int) -> RolloutView:
    """Return one roll-out; RolloutNotFoundError."""
    row = _rows().filter(pk=rollout_id).first()
    if row is None:
        raise RolloutNotFoundError(f"There is no roll-out {rollout_id}.")
    return _views([row])[0]


def list_rollouts(
    *, state: str | None = None, model: str | None = None, most: int = MOST, among: Collection[str] = ()
) -> list[RolloutView]:
    """Return up to `most` roll-outs, newest first, in one state or of one model where that is given.

    `among` are the models whose roll-outs are looked at; all where it is empty.
    """
    if model is not None and not storable(model):
        return []
    rows = _rows().order_by("-id")
    if state is not None:
        rows = rows.filter(state=state)
    if model is not None:
        rows = rows.filter(model__name=model)
    if among:
        rows = rows.filter(model__name__in=among)
    return _views(list(rows[:most]))


def points(rollout_id: int, *, after: int = 0, most: int = MOST_POINTS) -> list[PointView]:
    """Return the points of a roll-out's curves with larger ids than `after`, oldest first."""
    rows = RolloutPoint.objects.filter(rollout=rollout_id, id__gt=after).order_by("id")[:most]
    return [PointView(id=row.pk, at=row.at, act=row.act, document=row.document) for row in rows]


def rules_of(model: str, alias: str | None = None, *, most: int = MOST) -> list[RuleView]:
    """Return up to `most` rules of a model, newest first, of one alias where given; ModelNotFoundError."""
    name = Ref.parse(model).name
    if not RegisteredModel.objects.filter(name=name).exists():
        raise ModelNotFoundError(f"There is no model {model!r}.")
    if alias is not None and not storable(alias):
        return []
    rows = Rule.objects.filter(model=name).order_by("-id")
    if alias is not None:
        rows = rows.filter(alias=alias)
    return [
        RuleView(
            id=row.pk, model=row.model, alias=row.alias, number=row.number, document=row.document,
            sha256=row.sha256, rollout=row.rollout, actor=row.actor, reason=row.reason,
            approvals=row.approvals, at=row.at,
        )
        for row in rows[:most]
    ]  # fmt: skip


def _rows() -> Any:
    return Rollout.objects.select_related("model", "stable", "candidate")


def _views(rows: Sequence[Rollout]) -> list[RolloutView]:
    numbers = dict(Rule.objects.filter(pk__in=[row.rule for row in rows]).values_list("pk", "number"))
    found = Evidence.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", "document")
    evidence = dict(found)
    return [_view(row, numbers.get(row.rule or 0), evidence.get(row.pk, {})) for row in rows]


def _view(row: Rollout, number: int | None, evidence: dict[str, Any]) -> RolloutView:
    return RolloutView(
        id=row.pk,
        model=row.model.name,
        alias=row.alias,
        stable=row.stable.version,
        candidate=row.candidate.version,
        state=row.state,
        hold=row.hold,
        sentence=row.sentence,
        step=row.step,
        steps=[step / 100 for step in row.plan["steps"]],
        share=row.share_ppm / PPM,
        budget=row.budget,
        met=row.met,
        proven=row.proven,
        deaths=row.deaths,
        rule=number,
        plan=row.plan,
        sha256=row.sha256,
        actor=row.actor,
        reason=row.reason,
        ticket=row.ticket,
        approvals=approvals_of(row),
        approvals_required=row.model.approvals,
        created_at=row.created_at,
        state_since=row.state_since,
        step_since=row.step_since,
        ended_at=row.ended_at,
        numbers=evidence.get("numbers", {}),
    )
