"""Backtests as typed values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

ENDED_BACKTESTS = frozenset({"done", "failed", "cancelled"})


class RemoteBacktest(msgspec.Struct, frozen=True, kw_only=True):
    """A run of stored inputs under a version, compared `against` another one.

    `done` is the part of it that is done, from 0 to 1, and None before it runs. `report` comes with the end.
    """

    id: int
    model: str
    version: str
    state: str
    actor: str
    created_at: datetime
    against: str | None = None
    done: float | None = None
    outcome: str = ""
    report: dict[str, Any] | None = None
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Return whether the backtest is in a final state."""
        return self.state in ENDED_BACKTESTS
