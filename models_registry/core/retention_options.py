"""For how long a version's inputs and results are kept: what its option `retention_days` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models_registry.core.registry_errors import RegistrationError

LONGEST_DAYS = 366


def retention_days(options: Mapping[str, Any]) -> int | None:
    """Return a version's own days, None where it names none; RegistrationError where they are wrong."""
    days = options.get("retention_days")
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
        raise RegistrationError(
            f"The option retention_days is {days!r}; it is whole days, from 1 to {LONGEST_DAYS}."
        )
    return days
