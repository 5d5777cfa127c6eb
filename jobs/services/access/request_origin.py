"""Where the request in hand comes from, for the audit: known to this thread or task alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Origin:
    """A client's address, and the row id of its token; None for what comes from a command or a task."""

    address: str | None = None
    token: int | None = None


_NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def origin() -> Origin:
    """Return where the request in hand comes from."""
    return _origin.get()


@contextmanager
def coming_from(address: str | None) -> Iterator[None]:
    """Do what follows for a client at `address`, whose token is not known yet."""
    before = _origin.set(Origin(address))
    try:
        yield
    finally:
        _origin.reset(before)


def with_token(token: int) -> None:
    """Note which token the request in hand was accepted by."""
    _origin.set(replace(_origin.get(), token=token))
