"""A worker process whose name another one took ends, because its batches are taken from it."""

from __future__ import annotations

import os
import signal
from threading import Event
from uuid import UUID

import pytest
import sqlalchemy as sa

from jobs.services.lifecycle.worker_row import Incarnation
from jobs.worker.heartbeat import Heartbeat

INCARNATION = Incarnation(UUID(int=1), "gpu-0@host", "host", 7, "cpu", ("echo",))
SESSION = sa.Connection.__new__(sa.Connection)  # no statement reaches it


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr("jobs.worker.heartbeat.os.kill", lambda pid, number: signals.append((pid, number)))
    return signals


def beat(monkeypatch: pytest.MonkeyPatch, *alive: bool, stop: Event | None = None) -> None:
    answers = list(alive)
    monkeypatch.setattr("jobs.worker.heartbeat.database_clock.measure", lambda _: 0.0)
    monkeypatch.setattr("jobs.worker.heartbeat.worker_row.beat", lambda *_: answers.pop(0))
    heartbeat = Heartbeat(INCARNATION, stop=stop or Event(), in_hand=tuple)
    for _ in alive:
        heartbeat.step(SESSION, ())


def test_a_worker_whose_node_name_another_one_took_stops_itself_once(
    monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]]
) -> None:
    beat(monkeypatch, True, False, False)
    assert signals == [(os.getpid(), signal.SIGTERM)]


def test_a_worker_that_is_known_goes_on(
    monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]]
) -> None:
    beat(monkeypatch, True, True, True)
    assert signals == []


def test_a_worker_that_stops_already_needs_no_signal(
    monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]]
) -> None:
    stop = Event()
    stop.set()
    beat(monkeypatch, False, stop=stop)
    assert signals == []
