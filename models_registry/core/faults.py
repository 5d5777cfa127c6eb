"""What an exception says about the item that raised it: a closed set, and tables that read types by name.

By name, so that a table of a framework's types costs no import of the framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from models_registry.shared.platform_errors import PlatformError


class Fault(StrEnum):
    """What an exception of a model means; whoever runs models has a kind of failure for each."""

    INVALID = "invalid"
    TRANSIENT = "transient"
    RESOURCE = "resource"
    TIMEOUT = "timeout"
    CRASH = "crash"
    POISON = "poison"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Row:
    """Exceptions of `type` (`module.name`, or a subclass's) mean `fault`, where their text holds `says`."""

    type: str
    fault: Fault
    says: str = ""


Table = Sequence[Row]


def fault_of(error: BaseException, table: Table) -> Fault:
    """Return what the first row that fits says; where none does, a platform error says whether it passes."""
    names, said = _names(error), text_of(error)
    passes = isinstance(error, PlatformError) and error.retryable
    otherwise = Fault.TRANSIENT if passes else Fault.INTERNAL
    return next((row.fault for row in table if row.type in names and row.says in said), otherwise)


def text_of(error: BaseException) -> str:
    """Return what an exception says, whatever its own `__str__` does."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # a model's exception may raise anything when read
        return type(error).__name__


def code_of(error: BaseException) -> str:
    """Return an exception's stable code: the platform's own, or its type's name."""
    return error.code if isinstance(error, PlatformError) else type(error).__name__


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
