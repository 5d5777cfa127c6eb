"""The outer watchdog ends a worker that does nothing any more, and no other."""

from __future__ import annotations

import json
import math
import mmap
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from jobs.worker import outer_watchdog
from jobs.worker.outer_watchdog import (
    BYE_S,
    GRACE_S,
    SILENT_S,
    Forbearance,
    Notes,
    OuterWatchdog,
    is_stopped,
    last_line,
)
from tests.support.wait import wait_until

# A worker whose batch has 0.2 s left when a model takes the interpreter lock for ever.
HELD = """
import re, sys
from jobs.worker import outer_watchdog
outer = outer_watchdog.OuterWatchdog(grace_s=0.3)
outer.began(0.2)
re.match(r"^([a-z]+_?)+$", "a" * 60 + "!")
"""


def ignores(pid: int, number: signal.Signals) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))
    return bool(ignored >> (number - 1) & 1)


def test_a_worker_that_loads_may_be_silent() -> None:
    assert Forbearance().spend(1e6) == ""


def test_silence_ends_and_a_note_begins_it_anew() -> None:
    patience = Forbearance()
    patience.hear(1, math.inf)
    assert patience.spend(SILENT_S - 1) == ""
    patience.hear(2, math.inf)
    assert patience.spend(SILENT_S - 1) == ""
    patience.hear(2, math.inf)
    assert "has done nothing" in patience.spend(2)


def test_a_batch_over_its_limit_is_left_to_the_inner_watchdog_first() -> None:
    patience = Forbearance()
    patience.hear(1, 3.0)
    assert patience.spend(3 + GRACE_S - 0.1) == ""
    assert "over its limit" in patience.spend(0.2)


def test_a_stopped_worker_may_be_silent_but_not_past_its_batch() -> None:
    patience = Forbearance()
    patience.hear(1, math.inf)
    assert patience.spend(10 * SILENT_S, stopped=True) == ""
    patience.hear(2, 60.0)
    assert patience.spend(60 + GRACE_S + 1, stopped=True)


def test_a_worker_that_ends_has_its_own_time() -> None:
    patience = Forbearance()
    patience.hear(1, math.inf, ends=True)
    assert patience.spend(BYE_S - 1) == ""
    assert patience.spend(2)


def test_only_time_in_which_it_runs_itself_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was paused for an hour, with all its processes, wakes with everything in time."""
    times, kills = [0.0, 0.5, 3_600.0, 3_600.5], list[int]()
    system = SimpleNamespace(kill=lambda pid, _: kills.append(pid), getppid=lambda: 7 if times else 8)
    clock = SimpleNamespace(monotonic=lambda: times.pop(0), sleep=lambda _: None)
    monkeypatch.setattr(outer_watchdog, "time", clock)
    monkeypatch.setattr(outer_watchdog, "os", system)
    with tempfile.TemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        notes = Notes(file.fileno())
        notes.write(5.0)
        outer_watchdog.watch(7, notes, Forbearance())
    assert kills == []
    assert not times


def test_a_worker_whose_interpreter_lock_is_held_for_ever_is_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", HELD], stderr=subprocess.PIPE) as worker:
        _, errors = worker.communicate(timeout=20)
    assert worker.returncode == -signal.SIGKILL
    assert b"a batch is over its limit" in errors


def test_it_outlives_signals_to_its_group_and_is_started_again_where_it_died() -> None:
    outer = OuterWatchdog()
    first = outer.process
    wait_until(lambda: ignores(first.pid, signal.SIGTERM))
    first.terminate()
    outer.beat(math.inf)
    assert outer.process is first
    first.kill()
    first.wait()
    outer.beat(math.inf)
    assert outer.process is not first
    outer.process.kill()
    outer.process.wait()


def test_it_ends_with_its_worker() -> None:
    program = "from jobs.worker.outer_watchdog import OuterWatchdog; print(OuterWatchdog().process.pid)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    wait_until(lambda: not psutil.pid_exists(int(output)))


def test_a_stopped_process_is_known() -> None:
    assert not is_stopped(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        sleeper.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(sleeper.pid))
        sleeper.kill()


def test_its_last_line_has_the_form_that_the_worker_s_log_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    assert last_line(7, "why") == "the outer watchdog ends worker 7: why"
    monkeypatch.setenv("LOG_FORMAT", "JSON")
    monkeypatch.setenv("PROCESS_NAME", "gpu-worker-3")
    line = json.loads(last_line(7, "why"))
    assert (line["level"], line["process"]) == ("CRITICAL", "gpu-worker-3")
    assert line["message"] == "the outer watchdog ends worker 7: why"
