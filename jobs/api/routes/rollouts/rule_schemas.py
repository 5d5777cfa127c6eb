"""Rules and previews of rules as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from jobs.services.rollouts.reads import RuleView
from models_registry.core.routing.decision import Arm
from models_registry.models import Rule


class RuleSchema(Schema):
    """What answers for an alias since `at`, and who decided it; the highest `number` is in force."""

    id: int
    model: str
    alias: str
    number: int = Field(description="Counts the rules of the alias, from 1.")
    document: dict[str, Any] = Field(
        description="The rule document; without a candidate the alias works as if it had no rule."
    )
    sha256: str = Field(description="Of the document as canonical JSON.")
    rollout: int | None = Field(description="The roll-out that made it, if one did.")
    actor: str
    reason: str
    approvals: list[dict[str, Any]] = Field(description="Who approved the document, and when.")
    at: datetime

    @classmethod
    def of(cls, rule: Rule | RuleView) -> dict[str, Any]:
        """Return the members of a rule."""
        return {name: getattr(rule, name) for name in cls.model_fields}


class ListedRulesSchema(Schema):
    """The rules of a model, newest first."""

    rules: list[RuleSchema]


class PreviewedSchema(Schema):
    """What one job would get."""

    version: str
    arm: Arm
    why: str
    bucket: int = Field(description="Of a million, by the value that decides: the candidate has the first.")
    job: str | None = Field(None, description="The stored job; null for a job of `asks`.")


class PreviewSchema(Schema):
    """What a rule would decide; nothing was changed."""

    document: dict[str, Any] = Field(
        description="The rule with its salt: put in force as it is, the same jobs get the same."
    )
    total: int = Field(description="Jobs that were decided for.")
    gone: int = Field(
        description="Stored jobs whose input is gone or cannot be read; they are not in `total`."
    )
    by_version: dict[str, int] = Field(description="How many of them each version would get.")
    by_arm: dict[str, int]
    decisions: list[PreviewedSchema] = Field(
        description="In the order of `asks`; the first hundred of `last`."
    )
