"""A trial of a schema's patterns before they are registered: do they compile, and do they answer in time."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from models_registry.core import patterns
from models_registry.core.pii import has_marks
from models_registry.core.registry_errors import RegistrationError

LIMIT_S = 0.1
SIZES = (1_000, 8_000, 64_000)  # characters: time grows with the size, so a slow pattern shows early


def try_patterns(field: str, schema: Any) -> None:
    """Raise RegistrationError for a pattern that a linear engine refuses, or matches too slowly."""
    personal = has_marks(schema)  # only then is a name matched outside of the validator
    for pattern in dict.fromkeys(patterns.patterns(schema)):
        reason = patterns.refusal(pattern, matched_here=personal)
        if reason:
            raise RegistrationError(
                f"{field} has the pattern {pattern[:200]!r}, and they run in engines without backtracking,"
                f" backreferences and lookaround: {reason}."
            )
        _time(field, pattern)


def _time(field: str, pattern: str) -> None:
    own = "".join(sorted(set(pattern)))
    matcher = patterns.validator({"pattern": pattern})
    for size in SIZES:
        for text in ("a" * size + "!", (own * (size // len(own) + 1))[:size] if own else ""):
            began = perf_counter()
            matcher.is_valid(text)
            if perf_counter() - began > LIMIT_S:
                raise RegistrationError(
                    f"{field} has the pattern {pattern[:200]!r}, which takes more than {LIMIT_S:g} s for"
                    f" a text of {size} characters."
                )
