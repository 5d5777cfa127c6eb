"""The end of a process on a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from threading import Lock

import pytest

from models_registry.shared import process_end
from models_registry.shared.process_end import OVERTIME_STATUS, end_on_sigterm, end_within
from tests.support.wait import wait_until


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The statuses with which the process would have ended; SIGTERM has its default action meanwhile."""
    statuses = list[int]()
    monkeypatch.setattr(os, "_exit", statuses.append)
    monkeypatch.setattr(process_end, "_begun", Lock())
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield statuses
    signal.signal(signal.SIGTERM, before)


def test_the_first_process_of_a_container_ends_by_sigterm(
    statuses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    end_on_sigterm()
    signal.raise_signal(signal.SIGTERM)
    assert statuses == [143]


def test_any_other_process_keeps_the_default_action(statuses: list[int]) -> None:
    end_on_sigterm()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert statuses == []


def test_a_handler_that_is_there_already_stays(statuses: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_on_sigterm()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert statuses == []


def test_a_process_that_does_not_end_is_ended_once(statuses: list[int]) -> None:
    end_within(0.0)
    end_within(0.0)
    wait_until(lambda: statuses)
    assert statuses == [OVERTIME_STATUS]


def test_a_process_whose_thread_waits_for_ever_ends_soon_after_its_main_thread() -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from models_registry.shared.process_end import end_after_main
end_after_main(0.1)
ThreadPoolExecutor().submit(Event().wait)
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=30, check=False)
    assert ended.returncode == 0


CHILD = """
import os, sys, time
from models_registry.shared.process_end import stay_behind
first = os.getpid()
stay_behind()
assert os.getpid() != first
{}
"""


@pytest.mark.parametrize(
    ("does", "status"), [("sys.exit(70)", 70), ("os.kill(os.getpid(), 9)", 128 + signal.SIGKILL)]
)
def test_the_first_process_of_a_container_ends_as_the_child_that_does_its_work(
    does: str, status: int
) -> None:
    assert subprocess.run([sys.executable, "-c", CHILD.format(does)], check=False).returncode == status


def test_the_first_process_of_a_container_passes_signals_on() -> None:
    does = "print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", CHILD.format(does)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
