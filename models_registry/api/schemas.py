"""What the registry's calls answer with; paths on the server are nobody's business."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema

from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.models import ModelVersion, RegisteredModel


class ModelOut(Schema):
    """A model; `default_version` answers a job that names only the model."""

    name: str
    description: str
    default_version: str | None
    aliases: dict[str, str]
    created_at: datetime

    @classmethod
    def of(cls, model: RegisteredModel) -> ModelOut:
        """Return the model with its aliases."""
        aliases = {alias.name: alias.version.version for alias in model.aliases.all()}
        return cls(
            name=model.name,
            description=model.description,
            default_version=aliases.get(DEFAULT_ALIAS),
            aliases=aliases,
            created_at=model.created_at,
        )


class VersionOut(Schema):
    """One version of a model: its schemas, limits and hash."""

    model: str
    version: str
    loader: str
    sha256: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    example: Any
    max_batch: int
    p95_goal_s: float
    max_attempts: int
    aliases: list[str]
    created_at: datetime

    @classmethod
    def of(cls, row: ModelVersion) -> VersionOut:
        """Return the version with the aliases that point at it."""
        same = {name: getattr(row, name) for name in cls.model_fields if name not in {"model", "aliases"}}
        return cls(model=row.model.name, aliases=[alias.name for alias in row.aliases.all()], **same)
