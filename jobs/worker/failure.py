"""What an exception says about the item that raised it: a failure of the closed set, fit to be stored."""

from __future__ import annotations

import traceback

from jobs.core.failures import Failure, FailureKind
from models_registry.core.errors import InvalidInputError, NotFiniteError, PlatformError
from models_registry.loaders import memory

_TRACEBACK_CHARS = 8_000


def failure_of(error: BaseException) -> Failure:
    """Return the failure that an item's exception stands for."""
    trace = "".join(traceback.format_exception(error))[-_TRACEBACK_CHARS:]
    code = error.code if isinstance(error, PlatformError) else type(error).__name__
    return Failure(_kind_of(error), code[:63], _storable(str(error)[:2_000]) or code, _storable(trace))


def _storable(text: str) -> str:
    """Return `text` without what Postgres or UTF-8 cannot hold: a model's message may quote any input."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _kind_of(error: BaseException) -> FailureKind:
    if isinstance(error, InvalidInputError):
        return FailureKind.INVALID
    if isinstance(error, NotFiniteError):
        return FailureKind.POISON
    if isinstance(error, PlatformError):
        return FailureKind.TRANSIENT if error.retryable else FailureKind.INTERNAL
    if memory.is_exhausted(error):
        return FailureKind.RESOURCE
    return FailureKind.TIMEOUT if isinstance(error, TimeoutError) else FailureKind.INTERNAL
