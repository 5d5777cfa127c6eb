"""The end of a process on a signal: from its first instruction on, and within a time.

It imports the standard library alone, so that `manage.py` can call it before anything that takes time.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress

OVERTIME_STATUS = 70  # as of a worker whose batch hangs
PR_SET_PDEATHSIG = 1  # of Linux's prctl
PASSED_ON = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
_begun = threading.Lock()


def end_on_sigterm() -> None:
    """Let SIGTERM end this process even as the first of a container, until it has a handler of its own.

    The kernel keeps from the process with the number 1 every signal for which it has no handler. Elsewhere
    the default action ends the process, and sooner than Python could.
    """
    if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))  # as a shell reports it


def go_on_in_a_child() -> None:
    """Return in a child of this process where this is the first one of a container; call before any thread.

    No process can kill the first one, not even itself. It stays behind, passes signals on, and ends as the
    child does.
    """
    if os.getpid() == 1:
        stay_behind()


def stay_behind() -> None:
    """Return in a child; the process itself passes signals on to it, and ends with its status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # one that comes now is passed on in a moment
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        return
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: _send(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    while True:
        ended, status = os.wait()  # an orphan of the container may end before
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)  # as a shell reports a signal


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def end_with_parent(parent: int) -> None:
    """Let the kernel end this process once `parent`, which started it, has ended; on Linux only.

    A parent that is killed cannot end its children, and one that hangs would stay for ever.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(OVERTIME_STATUS)


def end_after_main(seconds: float) -> None:
    """End this process so many seconds after its main thread has ended, whatever its other threads wait for.

    Python waits for the threads of every executor, and one that asks a silent broker may wait for minutes.
    Executors use the same hook; nothing public runs before that wait.
    """
    threading._register_atexit(end_within, seconds, 0)  # type: ignore[attr-defined]  # noqa: SLF001


def end_within(seconds: float, status: int = OVERTIME_STATUS) -> None:
    """End this process in so many seconds whatever hangs then, a silent broker say; the first call counts."""
    if _begun.acquire(blocking=False):
        timer = threading.Timer(seconds, os._exit, (status,))
        timer.daemon = True
        timer.start()
