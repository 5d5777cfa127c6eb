"""What an exception means for the item that raised it: a closed set of faults, and tables of exception types.

Tables name types by text, so that a table of a framework's types does not import the framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from models_registry.shared.platform_errors import PlatformError


class Fault(StrEnum):
    """What an exception of a model means; the worker has a kind of failure for each."""

    INVALID = "invalid"
    TRANSIENT = "transient"
    RESOURCE = "resource"
    TIMEOUT = "timeout"
    CRASH = "crash"
    POISON = "poison"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Row:
    """An exception of `type` (`module.name`) or a subclass means `fault` if its message contains `text`."""

    type: str
    fault: Fault
    text: str = ""


Table = Sequence[Row]


def fault_of(error: BaseException, table: Table) -> Fault:
    """Return the fault of the first row that fits; without one, whether the exception is marked retryable."""
    names, text = _names(error), text_of(error)
    retryable = isinstance(error, PlatformError) and error.retryable
    default = Fault.TRANSIENT if retryable else Fault.INTERNAL
    return next((row.fault for row in table if row.type in names and row.text in text), default)


def text_of(error: BaseException) -> str:
    """Return an exception's message; its type's name if its own `__str__` raises."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001  # a model's exception may raise anything when read
        return type(error).__name__


def code_of(error: BaseException) -> str:
    """Return an exception's stable code: the one of a platform error, else its type's name."""
    return error.code if isinstance(error, PlatformError) else type(error).__name__


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
