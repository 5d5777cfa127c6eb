"""Roll-outs as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from jobs.services.rollouts.reads import RolloutView
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState


class RolloutChangeSchema(Schema):
    """How a roll-out stands: what changes while it goes on."""

    id: int
    model: str
    alias: str
    stable: str = Field(description="The version that the alias stands for.")
    candidate: str = Field(description="The version that is to get its traffic.")
    state: RolloutState
    hold: HoldReason | None = Field(description="Why it is held; null unless it is.")
    sentence: str = Field(description="How it stands, for people.")
    step: int = Field(description="The index in the plan's steps, from 0.")
    share: float = Field(description="The candidate's share now, from 0 to 1.")
    met: int = Field(description="Jobs that the candidate has claimed.")
    budget: int = Field(description="Jobs that it may meet until it is proven.")
    proven: bool = Field(description="Whether the budget has ceased to matter.")
    deaths: int = Field(description="Workers that died with its jobs in hand.")
    state_since: datetime
    ended_at: datetime | None


class ApprovalSchema(Schema):
    """An approval of the plan as it is now."""

    actor: str
    at: datetime


class RolloutSchema(RolloutChangeSchema):
    """A roll-out with its plan, its evidence and who is behind it."""

    plan: dict[str, Any] = Field(description="The plan, with every field.")
    sha256: str = Field(description="Of the plan and both versions: what an approval is for.")
    steps: list[float] = Field(description="The plan's steps as shares from 0 to 1.")
    rule: int | None = Field(description="The number of its rule that is or was last in force.")
    actor: str = Field(description="Who started it.")
    reason: str
    ticket: str
    approvals: list[ApprovalSchema]
    approvals_required: int = Field(description="How many people have to approve the plan.")
    created_at: datetime
    step_since: datetime
    numbers: dict[str, Any] = Field(
        description="What the judge found at its last look: e-values, keys and failures of each arm."
    )

    @classmethod
    def of(cls, view: RolloutView) -> dict[str, Any]:
        """Return the members of a roll-out."""
        return asdict(view) | {"hold": view.hold or None}


class ListedRolloutsSchema(Schema):
    """Roll-outs, newest first."""

    rollouts: list[RolloutChangeSchema]

    @classmethod
    def of(cls, views: Iterable[RolloutView]) -> dict[str, Any]:
        """Return roll-outs, each as far as it changes while it goes on."""
        names = RolloutChangeSchema.model_fields
        return {"rollouts": [{name: RolloutSchema.of(view)[name] for name in names} for view in views]}


class RecordSchema(Schema):
    """The change record of a roll-out: all that a review of the change asks for."""

    rollout: int
    model: str
    alias: str
    stable: str
    candidate: str
    state: RolloutState
    sentence: str
    by: dict[str, str] = Field(description="Who started it, why, and the ticket.")
    created_at: datetime
    ended_at: datetime | None
    plan: dict[str, Any]
    sha256: str
    approvals: dict[str, Any] = Field(description="How many were required, and who gave one, when.")
    gate: dict[str, Any] | None = Field(description="The trial before any share, with its report.")
    exposure: dict[str, Any] = Field(description="How many jobs the candidate met, of which budget.")
    acts: list[dict[str, Any]] = Field(
        description="What people and the judge did, oldest first, each with the evidence of its time."
    )
    rules: list[dict[str, Any]] = Field(description="The rules that it put in force, oldest first.")
    numbers: dict[str, Any] = Field(description="What the judge found at its last look.")
