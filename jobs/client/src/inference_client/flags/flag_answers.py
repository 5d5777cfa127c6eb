"""Flags as typed values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class RemoteFlag(msgspec.Struct, frozen=True, kw_only=True):
    """A flag since `at`, and who decided it; `number` counts its changes, `expired` is past its end."""

    name: str
    number: int
    document: dict[str, Any]
    sha256: str
    expires_at: datetime
    expired: bool
    actor: str
    at: datetime
    reason: str = ""


class RemoteFlagChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a flag; `document` is None where it was removed."""

    name: str
    number: int
    actor: str
    at: datetime
    document: dict[str, Any] | None = None
    sha256: str = ""
    reason: str = ""


class ShownFlag(RemoteFlag, frozen=True, kw_only=True):
    """A flag with the aliases and roll-outs that decide by it, and its changes, newest first."""

    used_by: list[str] = []
    changes: list[RemoteFlagChange] = []


class PreviewedAsk(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a flag would be on for one job, and why."""

    on: bool
    why: str
    bucket: int
    client: str
    job: str | None = None


class PreviewedFlag(msgspec.Struct, frozen=True, kw_only=True):
    """For how many of `total` jobs a flag would be on; `decisions` are those of the first ones.

    `by_client` has the clients with jobs for which it would be on. The input of `gone` more jobs is gone or
    cannot be read.
    """

    total: int
    on: int
    gone: int = 0
    document: dict[str, Any] = {}
    by_client: dict[str, int] = {}
    decisions: list[PreviewedAsk]


class FlagList(msgspec.Struct, frozen=True):
    """Flags by name."""

    flags: list[RemoteFlag]
