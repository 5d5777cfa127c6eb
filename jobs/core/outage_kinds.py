"""The kinds of outages that are kept on record."""

from __future__ import annotations

from enum import StrEnum


class OutageKind(StrEnum):
    """What jobs had to wait for; the values are those of the causes that they explain."""

    PAUSED = "paused"
    BROKER = "broker"
    DATABASE = "database"
    NO_RELAY = "no_relay"
    RETRY_BUDGET = "retry_budget"
    COLD_MODEL = "cold_model"
