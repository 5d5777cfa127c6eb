"""Quiet: while a stage works on a guarded version, no text of the model reaches the worker's output.

A model may print, warn and log what its input holds, also on threads that it starts meanwhile. Records of the
platform's own files pass: they hold ids and counts. What a model writes on a thread that it started while it
was loaded, or in C to the file itself, is not caught here.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from jobs.worker.stages.known_code import known_of

logger = logging.getLogger(__name__)
HUSHED: Final = "a message of a model with confidential data is not logged"
_OURS = tuple(f"{Path(__file__).resolve().parents[2] / name}/" for name in ("jobs", "models_registry"))
_thread = threading.local()


@contextmanager
def quiet(*, on: bool) -> Iterator[None]:
    """Keep what this thread writes and logs meanwhile out of the output, if `on`."""
    before, _thread.on = is_quiet(), on
    try:
        yield
    finally:
        _thread.on = before


def is_quiet() -> bool:
    """Return whether this thread works on a guarded version."""
    return bool(getattr(_thread, "on", False))


def install() -> None:
    """Let this process keep quiet where it must; Celery's log goes to the streams as they were before."""
    sys.stdout, sys.stderr = _Gate(sys.stdout), _Gate(sys.stderr)
    logging.setLogRecordFactory(_records(logging.getLogRecordFactory()))
    threading.Thread.start = _starting(threading.Thread.start)  # type: ignore[method-assign, assignment]


def _starting(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def started(thread: threading.Thread) -> None:
        if is_quiet():
            thread.run = _hushed(thread.run)  # type: ignore[method-assign]  # for this one thread
        start(thread)

    return started


def _hushed(run: Callable[[], None]) -> Callable[[], None]:
    def hushed() -> None:
        with quiet(on=True):
            try:
                run()
            except BaseException as error:  # noqa: BLE001  # what ends a thread is printed
                logger.error("a thread of a model ended by %s", known_of(error).code)  # noqa: TRY400

    return hushed


def _records(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        if is_quiet() and not made.pathname.startswith(_OURS):
            made.msg, made.args = HUSHED, None
            made.exc_info = made.exc_text = made.stack_info = None
        return made

    return record


class _Gate(io.TextIOBase):
    """A stream that drops what quiet threads write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if is_quiet() else self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a stream's own
        return self._stream.encoding
