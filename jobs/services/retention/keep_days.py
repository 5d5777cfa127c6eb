"""How many days a version's payloads are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from models_registry.core.retention_options import retention_days


def keep_days(options: Mapping[str, Any]) -> int:
    """Return how many days the payloads of a version with these options are kept."""
    return retention_days(options) or default_days()


def default_days() -> int:
    """Return how many days where a version does not set its own."""
    days: int = settings.INFERENCE.retention_days
    return days
