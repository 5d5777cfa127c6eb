"""A worker process whose name another one took ends, because its batches are taken from it."""

from __future__ import annotations

import os
import signal
from threading import Event
from uuid import UUID

import pytest
import sqlalchemy as sa

from jobs.services.lifecycle.worker_row import Beat, DeviceMemory, Incarnation
from jobs.worker.heartbeat import Heartbeat

INCARNATION = Incarnation(UUID(int=1), "gpu-0@host", "host", 7, "cpu", ("echo",))
SESSION = sa.Connection.__new__(sa.Connection)  # no statement reaches it


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr("jobs.worker.heartbeat.os.kill", lambda pid, number: signals.append((pid, number)))
    return signals


def beat(monkeypatch: pytest.MonkeyPatch, *alive: bool, stop: Event | None = None) -> None:
    answers = [Beat(known) for known in alive]
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


@pytest.mark.parametrize(("runs_on", "ends"), [(True, True), (False, False)])
def test_a_worker_that_was_given_up_ends_only_where_a_void_batch_still_runs(
    monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]], *, runs_on: bool, ends: bool
) -> None:
    old, new = UUID(int=2), UUID(int=3)
    in_hand = [old]
    answers = [Beat(known=True, void=frozenset({old})), Beat(known=True)]
    monkeypatch.setattr("jobs.worker.heartbeat.database_clock.measure", lambda _: 0.0)
    monkeypatch.setattr("jobs.worker.heartbeat.worker_row.beat", lambda *_: answers.pop(0))
    heartbeat = Heartbeat(INCARNATION, stop=Event(), in_hand=lambda: in_hand)
    heartbeat.step(SESSION, ())
    assert signals == []
    in_hand[:] = [old, new] if runs_on else [new]
    heartbeat.step(SESSION, ())
    assert bool(signals) is ends


def test_a_beat_has_the_device_s_memory_of_that_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [DeviceMemory(1, 9), DeviceMemory(2, 9)]
    beats: list[DeviceMemory] = []

    def record(_: object, __: object, ___: object, memory: DeviceMemory) -> Beat:
        beats.append(memory)
        return Beat(known=True)

    monkeypatch.setattr("jobs.worker.heartbeat.database_clock.measure", lambda _: 0.0)
    monkeypatch.setattr("jobs.worker.heartbeat.worker_row.beat", record)
    heartbeat = Heartbeat(INCARNATION, stop=Event(), in_hand=tuple, memory=lambda: figures[len(beats)])
    for _ in figures:
        heartbeat.step(SESSION, ())
    assert beats == figures
