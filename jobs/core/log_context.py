"""The ids that the log lines of a call or a batch carry: one mapping a thread or task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

FIELDS = "platform"  # of a record: the mapping of more fields, which its `extra` gives
NAMES = ("job", "batch", "request_id", "trace_id")
_NONE: Mapping[str, object] = MappingProxyType({})
_ids: ContextVar[Mapping[str, object]] = ContextVar("log_ids", default=_NONE)


def known_ids() -> Mapping[str, object]:
    """Return the ids of the work that this thread or task does, by their names in a log line."""
    return _ids.get()


def request_id() -> str | None:
    """Return the id of the call that this thread or task answers; None where it answers none."""
    found = _ids.get().get("request_id")
    return None if found is None else str(found)


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Let log lines of this block carry `ids`, of NAMES, beside those that are known already."""
    previous = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(previous)
