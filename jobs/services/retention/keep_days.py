"""How long a version's payloads are kept, and which classes of partitions that takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from models_registry.core.retention_options import retention_days


def keep_days(options: Mapping[str, Any]) -> int:
    """Return for how many days what is asked of a version with these options is kept."""
    return retention_days(options) or default_days()


def default_days() -> int:
    """Return for how many days it is where a version does not say."""
    days: int = settings.INFERENCE.retention_days
    return days
