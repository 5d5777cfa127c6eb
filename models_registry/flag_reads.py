"""Reads of flags; a process keeps those in force for up to a second.

A read of the registry that each submit needs says beside it whether there is any flag. So a site without
flags makes no statement more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from threading import Lock
from time import monotonic

from models_registry.core.routing.decision import Ask
from models_registry.core.routing.flag_document import CompiledFlag, FlagDocument
from models_registry.core.routing.switches import Switch, is_on
from models_registry.models import Flag

CACHED_S = 1.0
_NEVER = -CACHED_S
_held: tuple[float, Mapping[str, CompiledFlag]] = (_NEVER, {})
_lock = Lock()


def flags() -> Mapping[str, CompiledFlag]:
    """Return the flags in force by name, as they were at most a second ago."""
    read_at, held = _held
    return held if monotonic() - read_at < CACHED_S else renew_flags()


def switch_is_on(switch: Switch, ask: Callable[[], Ask]) -> bool:
    """Return whether a switch of the platform is on for a job; `ask` is called only where a flag decides."""
    return is_on(flags(), switch, ask)


def renew_flags() -> Mapping[str, CompiledFlag]:
    """Read the flags in force, and return them by name."""
    read_at, before = monotonic(), _held[1]
    rows = Flag.objects.values_list("name", "number", "document")
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
        renew_flags()


def used_flag_life() -> float:
    """Return the part of their time that the flags have been kept; 0 where there are none."""
    read_at, held = _held
    return (monotonic() - read_at) / CACHED_S if held else 0.0


def flags_named(names: Collection[str]) -> dict[str, CompiledFlag]:
    """Return those of the named flags that are in force now; never from the cache."""
    if not names:
        return {}
    rows = Flag.objects.filter(name__in=names).values_list("name", "number", "document")
    return {name: CompiledFlag(name, FlagDocument.of(document), number) for name, number, document in rows}


def forget_flags() -> None:
    """Let the next read see the database."""
    global _held  # noqa: PLW0603  # a process has one
    with _lock:
        _held = (_NEVER, {})


def _hold(read_at: float, read: Mapping[str, CompiledFlag]) -> None:
    global _held  # noqa: PLW0603  # as above
    with _lock:
        if read_at >= _held[0]:  # what took longer to come says less
            _held = (read_at, read)


def _compiled(name: str, number: int, document: object, before: Mapping[str, CompiledFlag]) -> CompiledFlag:
    """Return a flag; one that has not changed is not compiled again."""
    flag = before.get(name)
    if flag is not None and flag.number == number:
        return flag
    return CompiledFlag(name, FlagDocument.of(document), number)
