"""What a program prints, as log records: whatever reads JSON lines from a process finds no other line.

What is written in C, or to a file's number, does not pass here.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from types import TracebackType
from typing import TextIO

UNCAUGHT = "uncaught"
log = logging.getLogger(UNCAUGHT)


def take_streams() -> None:
    """Make records of all that this process prints from now on, and of uncaught errors."""
    if isinstance(sys.stdout, RecordStream):
        return
    out = RecordStream("stdout", logging.INFO, sys.stdout)
    errors = RecordStream("stderr", logging.WARNING, sys.stderr)
    sys.stdout, sys.stderr = out, errors
    sys.__stdout__, sys.__stderr__ = out, errors  # type: ignore[assignment, misc]
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_on_thread
    sys.unraisablehook = _unraisable


class RecordStream(io.TextIOBase):
    """A text stream whose lines are log records; text of several lines that is written at once is one."""

    def __init__(self, name: str, level: int, stream: TextIO) -> None:
        """Log as `name`; `stream` is what it stands for."""
        self._log, self._level, self._stream = logging.getLogger(name), level, stream
        self._held = threading.local()

    def write(self, text: str) -> int:
        """Log a text that ends with its line; hold another one until its line ends."""
        held = getattr(self._held, "text", "") + text
        self._held.text = "" if (ends := held.endswith("\n")) else held
        if ends and (line := held.strip()):
            self._log.log(self._level, "%s", line)
        return len(text)

    def fileno(self) -> int:
        """Return the number of the file below, for those who write there themselves."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return False: no colours."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a stream's own
        """Return the encoding that logs have."""
        return "utf-8"


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("an error ends this process", exc_info=(kind, error, trace))


def _uncaught_on_thread(hooked: threading.ExceptHookArgs) -> None:
    if hooked.exc_type is SystemExit or hooked.exc_value is None:
        return
    name = hooked.thread.name if hooked.thread else "without a name"
    info = (hooked.exc_type, hooked.exc_value, hooked.exc_traceback)
    log.critical("an error ends the thread %s", name, exc_info=info)


def _unraisable(hooked: sys.UnraisableHookArgs) -> None:
    error = hooked.exc_value or hooked.exc_type()
    log.error("an error that cannot be caught", exc_info=(hooked.exc_type, error, hooked.exc_traceback))
