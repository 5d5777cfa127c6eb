"""The responses of the registry's calls; they reveal no path of the server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.core.version_states import VersionState
from models_registry.models import ModelVersion, RegisteredModel


class ModelSchema(Schema):
    """A model; a job that names only the model gets its `default_version`."""

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
    sha256: str = Field(description="The SHA-256 of the artifact; empty for an entry point, which has none.")
    source: str = Field(description="Where the artifact was fetched from; empty where it was not.")
    origin: dict[str, Any] | None = Field(
        description="Who trained it, on which data and code, its metrics; null if not given."
    )
    input_schema: dict[str, Any] = Field(
        description="The JSON Schema of an input; empty where any input is accepted."
    )
    output_schema: dict[str, Any] = Field(
        description="The JSON Schema of an output; empty where an output may be anything."
    )
    example: Any = Field(description="An example of an input, or null.")
    max_batch: int = Field(description="The largest number of jobs that run together.")
    p95_goal_s: float = Field(
        description="The goal for the time from submit to result, in seconds, for 95 of 100 jobs."
    )
    max_attempts: int = Field(description="The number of attempts of a job that does not set its own.")
    state: VersionState = Field(description="Only a `staged` version can be routed to.")
    aliases: list[str]
    created_at: datetime

    @classmethod
    def of(cls, row: ModelVersion) -> ModelVersionSchema:
        """Return the version with the aliases that point at it."""
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in {"model", "aliases"}}
        return cls(model=row.model.name, aliases=[alias.name for alias in row.aliases.all()], **columns)
