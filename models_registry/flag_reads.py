"""Reads of flags; a process keeps those in force for up to a second.

A read that fails is not made again for a second: a batch of jobs must not wait for as many of them. Meanwhile
the flags that were read last decide, however old they are.

A read of the registry that each submit needs says beside it whether there is any flag. So a site without
flags makes no statement more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from threading import Lock
from time import monotonic

from django.db import Error, connection

from models_registry.core.routing.decision import Ask
from models_registry.core.routing.flag_document import CompiledFlag, FlagDocument
from models_registry.core.routing.switches import Switch, is_on
from models_registry.models import Flag

log = logging.getLogger(__name__)
CACHED_S = 1.0
_NEVER = -CACHED_S
_held: tuple[float, Mapping[str, CompiledFlag]] = (_NEVER, {})
_failed: tuple[float, Error] | None = None  # the last read, where that failed
_lock = Lock()


def flags() -> Mapping[str, CompiledFlag]:
    """Return the flags in force by name, as they were at most a second ago, or when last they could be read.

    Error in a process that has never read them.
    """
    read_at, held = _held
    return held if monotonic() - read_at < CACHED_S else _renewed_or_held()


def switch_is_on(switch: Switch, ask: Callable[[], Ask]) -> bool:
    """Return whether a switch of the platform is on for a job.

    `ask` is called only where a flag decides that is not the same for all jobs.
    """
    return is_on(flags(), switch, ask)


def renew_flags() -> Mapping[str, CompiledFlag]:
    """Read the flags in force, and return them by name; Error, which is remembered."""
    read_at, before = monotonic(), _held[1]
    try:
        rows = list(Flag.objects.values_list("name", "number", "document"))
    except Error as error:
        _note_failure(error)
        raise
    held = {name: _compiled(name, number, document, before) for name, number, document in rows}
    _hold(read_at, held)
    return held


def note_flags(read_at: float, *, any_flag: bool) -> None:
    """Note whether there were flags at a read that began at `read_at`, monotonic seconds.

    Where there are some they are read, too, unless that is less than a second ago.
    """
    if not any_flag:
        _hold(read_at, {})
    elif not _held[1] or monotonic() - _held[0] >= CACHED_S:
        _renewed_or_held()


def used_flag_life() -> float:
    """Return the part of their time that the flags or a failed read have been kept; 0 without any."""
    read_at, held = _held
    failed = _failed
    failed_at = failed[0] if failed else _NEVER
    return (monotonic() - max(read_at, failed_at)) / CACHED_S if held else 0.0


def flags_named(names: Collection[str]) -> dict[str, CompiledFlag]:
    """Return those of the named flags that are in force now; never from the cache."""
    if not names:
        return {}
    rows = Flag.objects.filter(name__in=names).values_list("name", "number", "document")
    return {name: CompiledFlag(name, FlagDocument.of(document), number) for name, number, document in rows}


def forget_flags() -> None:
    """Let the next read see the database."""
    global _held, _failed  # a process has one
    with _lock:
        _held, _failed = (_NEVER, {}), None


def _hold(read_at: float, read: Mapping[str, CompiledFlag]) -> None:
    global _held, _failed  # as above
    with _lock:
        if read_at >= _held[0]:  # what took longer to come says less
            _held, _failed = (read_at, read), None


def _note_failure(error: Error) -> None:
    """Remember a failed read from its end on; of a thread of ours nothing else closes what broke."""
    global _failed  # noqa: PLW0603  # as above
    with _lock:
        _failed = (monotonic(), error)
    log.warning("the flags could not be read: %s", type(error).__name__)
    connection.close_if_unusable_or_obsolete()


def _renewed_or_held() -> Mapping[str, CompiledFlag]:
    """Read the flags, unless that failed less than a second ago; where it fails, return those held."""
    read_at, held = _held
    if (failed := _failed) is None or monotonic() - failed[0] >= CACHED_S:
        try:
            return renew_flags()
        except Error as error:
            failed = (0.0, error)
    if read_at == _NEVER:
        raise failed[1].with_traceback(None)
    return held


def _compiled(name: str, number: int, document: object, before: Mapping[str, CompiledFlag]) -> CompiledFlag:
    """Return a flag; one that has not changed is not compiled again."""
    flag = before.get(name)
    if flag is not None and flag.number == number:
        return flag
    return CompiledFlag(name, FlagDocument.of(document), number)
