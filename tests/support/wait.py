"""The one way in which tests wait: call a condition until it holds, or fail with its name."""

from __future__ import annotations

import linecache
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
LIMIT_S = 60.0
EVERY_S = 0.02


class NotInTimeError(AssertionError):
    """A condition did not hold within its time."""


def wait_until(
    condition: Callable[[], Value | None],
    *,
    limit_s: float = LIMIT_S,
    every_s: float = EVERY_S,
    what: object = "",
) -> Value:
    """Return the first true value of `condition`, or raise NotInTimeError after `limit_s` seconds.

    The error names `what`, which may be a function that is called only then, and the last value.
    Without `what` it quotes the line where the condition stands.
    """
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            awaited = (what() if callable(what) else what) or _source(condition)
            raise NotInTimeError(f"not within {limit_s:g} s: {awaited}; the last value was {value!r}")
        time.sleep(every_s)
    return value


def _source(condition: Callable[[], object]) -> str:
    code = getattr(condition, "__code__", None)
    if code is None:
        return repr(condition)
    return linecache.getline(code.co_filename, code.co_firstlineno).strip() or code.co_qualname
