"""Flags and previews of flags as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from jobs.services.flags.flag_views import FlagChangeView, FlagView
from models_registry.core.routing.flag_document import FlagReason


class FlagSchema(Schema):
    """A flag since `at`, and who decided it."""

    name: str
    number: int = Field(description="Counts the changes of the flag, from 1.")
    document: dict[str, Any] = Field(description="The flag document, with every field.")
    sha256: str = Field(description="Of the document as canonical JSON.")
    expires_at: datetime = Field(description="When it is to be removed.")
    expired: bool = Field(description="Whether that time is over. An expired flag works on.")
    actor: str
    reason: str
    at: datetime


class FlagChangeSchema(Schema):
    """A change of a flag, and who made it."""

    name: str
    number: int
    document: dict[str, Any] | None = Field(description="Null: the flag was removed.")
    sha256: str
    actor: str
    reason: str
    at: datetime

    @classmethod
    def of(cls, change: FlagChangeView) -> dict[str, Any]:
        """Return the members of a change."""
        return {name: getattr(change, name) for name in cls.model_fields}


class ShownFlagSchema(FlagSchema):
    """A flag with what decides by it, and its history."""

    used_by: list[str] = Field(
        description="Aliases whose rules in force name it, and live roll-outs whose plans do."
    )
    changes: list[FlagChangeSchema] = Field(description="Newest first; the first one is in force.")

    @classmethod
    def of(cls, flag: FlagView, used_by: list[str], changes: list[FlagChangeView]) -> dict[str, Any]:
        """Return the members of a flag."""
        shown = [FlagChangeSchema.of(change) for change in changes]
        return flag._asdict() | {"used_by": used_by, "changes": shown}


class ListedFlagsSchema(Schema):
    """Flags by name."""

    flags: list[FlagSchema]


class FlaggedSchema(Schema):
    """Whether a flag would be on for one job."""

    on: bool
    why: FlagReason
    bucket: int = Field(description="Of a million, by the value that decides: the share has the first.")
    client: str
    job: str | None = Field(None, description="The stored job; null for a job of `asks`.")


class FlaggedJobsSchema(Schema):
    """For whom a flag would be on; nothing was changed."""

    document: dict[str, Any] = Field(description="The flag document, with every field.")
    total: int = Field(description="Jobs that were decided for.")
    gone: int = Field(
        description="Stored jobs whose input is gone or cannot be read; they are not in `total`."
    )
    on: int = Field(description="For how many of them it would be on.")
    by_client: dict[str, int] = Field(description="The clients with such jobs, and how many they have.")
    decisions: list[FlaggedSchema] = Field(description="In the order of `asks`; the first hundred of `last`.")
