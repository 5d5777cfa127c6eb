"""The days that payloads are kept: a version's own, or the setting RETENTION_DAYS."""

from __future__ import annotations

from django.conf import settings

from models_registry.core.options import PlatformOptions


def keep_days(options: PlatformOptions) -> int:
    """Return the days that payloads of a version with these options are kept."""
    return options.retention_days or default_days()


def default_days() -> int:
    """Return the days for versions that name none."""
    days: int = settings.INFERENCE.retention_days
    return days
