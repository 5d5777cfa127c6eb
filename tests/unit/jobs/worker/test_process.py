"""The host's heartbeat: a process whose name another one took ends, for its batches are taken from it."""

from __future__ import annotations

import os
import signal
from dataclasses import fields
from threading import Event
from typing import Any
from unittest.mock import MagicMock

import pytest

from jobs.worker import process as host


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("jobs.worker.process.HEARTBEAT_S", 0.001)
    monkeypatch.setattr("jobs.worker.process.engine", MagicMock())
    monkeypatch.setattr("jobs.worker.process.os.kill", lambda *said: sent.append(said))
    return sent


def beat(monkeypatch: pytest.MonkeyPatch, *alive: bool) -> None:
    stopped, answers = Event(), list(alive)

    def answer(*_: object) -> bool:
        if len(answers) == 1:
            stopped.set()
        return answers.pop(0)

    monkeypatch.setattr("jobs.worker.process.worker_row.beat", answer)
    parts: dict[str, Any] = dict.fromkeys((field.name for field in fields(host.WorkerProcess)), MagicMock())
    host.WorkerProcess(**parts | {"stopped": stopped})._beat()


def test_a_worker_whose_name_was_taken_asks_itself_to_stop_once(
    monkeypatch: pytest.MonkeyPatch, sent: list[tuple[int, int]]
) -> None:
    beat(monkeypatch, True, False, True)
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_a_worker_that_is_known_goes_on(monkeypatch: pytest.MonkeyPatch, sent: list[tuple[int, int]]) -> None:
    beat(monkeypatch, True, True, True)
    assert sent == []
