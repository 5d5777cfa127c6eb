"""Shadows of rules as typed values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class RemoteShadow(msgspec.Struct, frozen=True, kw_only=True):
    """The version that runs copies of an alias's jobs, by the rule `number`, and what it has shown so far.

    `report` has the copies, failures, agreement, service times, labels and the largest differences.
    """

    model: str
    alias: str
    number: int
    version: str
    stable: str
    share: float
    batch_s: float
    state: str
    sentence: str
    since: datetime
    changed_at: datetime
    reason: str = ""
    actor: str = ""
    report: dict[str, Any] = {}
    ran_at: datetime | None = None
