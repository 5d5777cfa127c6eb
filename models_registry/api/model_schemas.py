"""What the registry's calls answer with; paths on the server are nobody's business."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.models import ModelVersion, RegisteredModel


class ModelSchema(Schema):
    """A model; `default_version` answers a job that names only the model."""

    name: str
    description: str
    default_version: str | None
    aliases: dict[str, str]
    created_at: datetime

    @classmethod
    def of(cls, model: RegisteredModel) -> ModelSchema:
        """Return the model with its aliases."""
        aliases = {alias.name: alias.version.version for alias in model.aliases.all()}
        return cls(
            name=model.name,
            description=model.description,
            default_version=aliases.get(DEFAULT_ALIAS),
            aliases=aliases,
            created_at=model.created_at,
        )


class ModelVersionSchema(Schema):
    """One version of a model: its schemas, limits and hash."""

    model: str
    version: str
    loader: str
    sha256: str = Field(description="Of the artifact; empty for an entry point, which has none.")
    input_schema: dict[str, Any] = Field(description="JSON Schema of an input; empty where any is taken.")
    output_schema: dict[str, Any] = Field(description="JSON Schema of an output; empty where any may come.")
    example: Any = Field(description="An input that it takes, or null.")
    max_batch: int = Field(description="Jobs that run together, at most.")
    p95_goal_s: float = Field(description="Seconds from submit to result: the aim for 95 of 100 jobs.")
    max_attempts: int = Field(description="How often a job is tried that does not say otherwise.")
    aliases: list[str]
    created_at: datetime

    @classmethod
    def of(cls, row: ModelVersion) -> ModelVersionSchema:
        """Return the version with the aliases that point at it."""
        same = {name: getattr(row, name) for name in cls.model_fields if name not in {"model", "aliases"}}
        return cls(model=row.model.name, aliases=[alias.name for alias in row.aliases.all()], **same)
