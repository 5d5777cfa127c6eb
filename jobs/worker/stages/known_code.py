"""What of an exception comes from code that was loaded, and so from no input: its class, and its last frame.

A class or function that was made at run time may be named after any data. So a name counts only where the
module that it names really holds that class or function under it.
"""

from __future__ import annotations

import re
import sys
from types import CodeType, TracebackType
from typing import Any, Final

from jobs.core.failures import Known
from jobs.core.fingerprint import NOWHERE, short_file
from models_registry.shared.platform_errors import PlatformError

FAILED: Final = "failed"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")


def known_of(error: BaseException) -> Known:
    """Return the code and the place of an exception, without anything that may come from data."""
    try:
        return Known(_code(type(error)), _place(error.__traceback__))
    except BaseException:  # noqa: BLE001  # a model's exception may raise anything when read
        return Known(FAILED)


def _code(kind: type) -> str:
    """Return the code of an error of the platform, else the name of the nearest class that is loaded code."""
    for base in kind.__mro__:
        if base in _CODES:
            return _CODES[base]
        if _NAME.match(base.__name__) and _held(base.__module__, base.__qualname__) is base:
            return str(base.__name__)
    return FAILED


def _place(trace: TracebackType | None) -> str:
    """Return `file:function` of the last frame in a function of a loaded module."""
    place = NOWHERE
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        module = sys.modules.get(str(frame.f_globals.get("__name__")))
        if module is not None and module.__dict__ is frame.f_globals and _holds(module, frame.f_code):
            place = f"{short_file(getattr(module, '__file__', None) or NOWHERE)}:{frame.f_code.co_name}"
    return place


def _holds(module: Any, code: CodeType) -> bool:
    held = _held(module.__name__, code.co_qualname)
    function = getattr(held, "__wrapped__", getattr(held, "__func__", held))
    return bool(_NAME.match(code.co_name)) and getattr(function, "__code__", None) is code


def _held(module: str, qualified: str) -> Any:
    """Return what a loaded module holds under a name; None where it holds nothing."""
    held: Any = sys.modules.get(module)
    for name in qualified.split("."):
        held = getattr(held, name, None)
    return held


def _with_subclasses(kind: type[PlatformError]) -> dict[type, str]:
    codes: dict[type, str] = {kind: kind.code}
    for below in kind.__subclasses__():
        codes |= _with_subclasses(below)
    return codes


# As they are before any model is loaded: a model may change the code of a class, or make classes.
_CODES: Final = _with_subclasses(PlatformError)
