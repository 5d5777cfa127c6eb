"""The outer watchdog: a process of its own that ends a worker whose interpreter does nothing any more.

A model may hold the interpreter lock for ever, and then no thread of the worker can end it, also not the
inner watchdog. The worker runs this file by its path, so it imports the standard library alone. Both share a
page of memory: a stage that begins work, and the inner watchdog at each look, note there that the worker
runs, and how many seconds the work may still take. A note costs no system call.

It counts only the time in which it runs itself: on a machine that was paused, nothing is late. A worker that
was stopped by a signal may be silent, until the batch that it holds is over its limit.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICK_S = 0.5
SILENT_S = 30.0  # by then the rescuer has given its batches to others
BYE_S = 60.0
GRACE_S = 6.0  # past a batch's limit: the inner watchdog goes first, because it can say why
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)  # a terminal sends them to a group
_COUNT, _LEFT, _ENDS = struct.Struct("=Q"), struct.Struct("=d"), struct.Struct("=Q")  # at 0, 8 and 16


class Notes:
    """The shared page: how often the worker noted that it runs, what its work has left, whether it ends."""

    def __init__(self, file: int) -> None:
        """Map the page that the open file `file` holds."""
        self._page = mmap.mmap(file, mmap.PAGESIZE)

    def write(self, left_s: float, *, ends: bool = False) -> None:
        """Note that the worker runs, and how many seconds its work may still take: infinity without work."""
        _LEFT.pack_into(self._page, 8, left_s)
        _ENDS.pack_into(self._page, 16, ends)
        # Two threads may count as one, but what is read changes all the same.
        _COUNT.pack_into(self._page, 0, self.read()[0] + 1)

    def read(self) -> tuple[int, float, bool]:
        """Return the number of notes, the seconds that are left, and whether the worker ends."""
        (count,), (left_s,) = _COUNT.unpack_from(self._page, 0), _LEFT.unpack_from(self._page, 8)
        return count, left_s, bool(_ENDS.unpack_from(self._page, 16)[0])


class OuterWatchdog:
    """The worker's side: it starts the process, again where that has ended, and writes the notes."""

    def __init__(self, *, grace_s: float = GRACE_S) -> None:
        """Start the process; do so before anything large is loaded."""
        self._grace_s = grace_s
        self._file, path = tempfile.mkstemp()
        Path(path).unlink()
        os.truncate(self._file, mmap.PAGESIZE)
        self._notes = Notes(self._file)
        self._process = self._started()

    def began(self, limit_s: float) -> None:
        """Note that a stage begins work that may take so long; on any thread."""
        self._notes.write(limit_s)

    def beat(self, left_s: float) -> None:
        """Note what the most urgent batch has left, infinity without one, and start a process that died."""
        self._notes.write(left_s)
        if self._process.poll() is not None:
            self._process = self._started()

    def bye(self) -> None:
        """Note that the worker ends now."""
        self._notes.write(math.inf, ends=True)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return the process that watches."""
        return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
        words += [str(os.getpid()), str(self._file), str(self._grace_s)]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=[self._file])


class Forbearance:
    """How long the worker may stay silent, and a batch go on; the caller passes the time that went by."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        """Wait without a limit for the first note: the worker still loads its models."""
        self._grace_s, self._count = grace_s, 0
        self._silent_s = 0.0
        self._limit_s = self._left_s = math.inf

    def hear(self, count: int, left_s: float, *, ends: bool = False) -> None:
        """Take the notes as they are now."""
        if count != self._count:
            self._count, self._silent_s, self._left_s = count, 0.0, left_s + self._grace_s
            self._limit_s = BYE_S if ends else SILENT_S

    def spend(self, seconds: float, *, stopped: bool = False) -> str:
        """Count time, and return why it is over; empty where it is not. A `stopped` worker may be silent."""
        self._left_s -= seconds
        self._silent_s += 0.0 if stopped else seconds
        if self._left_s <= 0:
            return "a batch is over its limit"
        return f"it has done nothing for {self._silent_s:.0f} s" if self._silent_s > self._limit_s else ""


def watch(worker: int, notes: Notes, patience: Forbearance) -> None:
    """Look at the worker's notes until it ends, or end it."""
    before = time.monotonic()
    while os.getppid() == worker:
        time.sleep(TICK_S)
        count, left_s, ends = notes.read()
        patience.hear(count, left_s, ends=ends)
        now = time.monotonic()
        reason = patience.spend(min(now - before, 2 * TICK_S), stopped=is_stopped(worker))
        before = now
        if reason and os.getppid() == worker:
            sys.stderr.write(f"{last_line(worker, reason)}\n")
            sys.stderr.flush()
            os.kill(worker, signal.SIGKILL)
            return


def last_line(worker: int, reason: str) -> str:
    """Return the line of the log about the end of a worker, as LOG_FORMAT wants it."""
    text = f"the outer watchdog ends worker {worker}: {reason}"
    if os.environ.get("LOG_FORMAT", "").strip().lower() != "json":
        return text
    time_of_it = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    name = os.environ.get("PROCESS_NAME") or "gpu-worker"
    fields = {"level": "CRITICAL", "logger": "jobs.worker.outer_watchdog", "message": text, "process": name}
    return json.dumps({"time": time_of_it, **fields, "pid": os.getpid()})


def is_stopped(pid: int) -> bool:
    """Return whether a signal or a debugger has stopped the process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in {"T", "t"}


if __name__ == "__main__":
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    watch(int(sys.argv[1]), Notes(int(sys.argv[2])), Forbearance(float(sys.argv[3])))
