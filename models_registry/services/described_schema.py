"""The check of a schema over what describes a job, as cohorts and flags have it."""

from __future__ import annotations

import json
import re
from typing import Any

from models_registry.core.patterns import validator
from models_registry.core.registry_errors import RegistrationError
from models_registry.services.pattern_trial import try_patterns
from models_registry.services.schema_trial import check_growth
from models_registry.shared.finite import is_finite
from models_registry.shared.platform_errors import PlatformError

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it
SEEN = ("client", "metadata", "parameters", "priority")  # what the schema is over


def check_described(what: str, when: dict[str, Any], error: type[PlatformError]) -> None:
    """Raise `error` for a schema that is none, may keep a process busy, or is over other things."""
    if not is_finite(when):
        raise error(f"{what} holds NaN or infinity, which JSON cannot carry.")
    if _NUL.search(json.dumps(when)):
        raise error(f"{what} holds the character NUL, which cannot be stored.")
    try:
        validator(when)
        try_patterns(what, when)
        check_growth(what, json.dumps(when))
    except (ValueError, RegistrationError) as cause:
        raise error(f"{what} is no JSON Schema that can be used: {cause}") from None
    properties, required = when.get("properties"), when.get("required")
    named = {*(properties if isinstance(properties, dict) else ()), *(required or ())}
    if strange := sorted(named.difference(SEEN)):
        raise error(f"{what} is over {', '.join(SEEN)}: it knows no {strange[0][:80]!r}.")
