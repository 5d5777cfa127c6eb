"""The origin of the current request, for the audit: one value a thread or task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Origin:
    """A client's address, the row id of its token, and when its call began, in monotonic seconds.

    They are None for commands and tasks.
    """

    address: str | None = None
    token: int | None = None
    began_s: float | None = None


_NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def origin() -> Origin:
    """Return the origin of the current request."""
    return _origin.get()


@contextmanager
def coming_from(address: str | None, *, began_s: float | None = None) -> Iterator[None]:
    """Set the origin of the requests in this block to `address`, without a token yet."""
    previous = _origin.set(Origin(address, began_s=began_s))
    try:
        yield
    finally:
        _origin.reset(previous)


def with_token(token: int) -> None:
    """Add the accepted token to the origin of the current request."""
    _origin.set(replace(_origin.get(), token=token))
