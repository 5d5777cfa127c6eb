"""The loader's thread: each version once, later ones in turn, and a load that outlives its limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError

from jobs.worker.loading import model_loader
from jobs.worker.loading.model_loader import ModelLoader
from models_registry.core.registry_errors import LoadFailedError
from tests.support.wait import wait_until


class Pool:
    """Loads a version when `gate` opens, or does `before`."""

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.before = before
        self.held, self.loads, self.anew, self.late = list[int](), list[int](), list[int](), list[int]()

    def acquire(self, version: int) -> None:
        self.loads.append(version)
        self.before(version)
        self.held.append(version)

    def release(self, version: int) -> None:
        self.held.remove(version)

    def begin_anew(self, version: int) -> None:
        self.anew.append(version)

    def fail_late(self, version: int, error: Exception) -> None:
        assert "load_limit_s" in str(error)
        self.late.append(version)


def opened(gate: Event) -> Callable[[int], None]:
    def wait(_: int) -> None:
        gate.wait(10)

    return wait


def a_loader(pool: Pool, limit_s: float = 60.0) -> ModelLoader:
    loader = ModelLoader(pool, limit_s=lambda _: limit_s)  # type: ignore[arg-type]  # stands in for one
    loader.start()
    return loader


def test_a_version_is_loaded_once_for_all_who_ask_meanwhile_and_others_follow() -> None:
    gate = Event()
    pool = Pool(opened(gate))
    loader = a_loader(pool)
    futures = [loader.request(1), loader.request(1), loader.request(2, anew=True)]
    assert futures[0] is futures[1]
    assert 2 in loader._requests
    gate.set()
    for future in futures:
        future.result(10)
    assert (pool.loads, pool.anew, 1 in loader._requests) == ([1, 2], [2], False)


def test_a_loaded_version_is_kept_until_it_is_used_or_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_loader, "FRESH_S", 0.05)
    pool = Pool()
    loader = a_loader(pool)
    loader.load(1)
    wait_until(lambda: pool.held == [])
    monkeypatch.setattr(model_loader, "FRESH_S", 60.0)
    loader.load(1)
    assert pool.held == [1]
    loader.taken(1)
    loader.taken(1)
    assert pool.held == []


def test_a_version_that_is_asked_for_again_is_protected_once() -> None:
    pool = Pool()
    loader = a_loader(pool)
    for _ in range(2):
        loader.load(1)
    assert pool.held == [1]
    loader.taken(1)
    assert pool.held == []


def test_what_was_just_loaded_leaves_although_the_next_load_waits_for_its_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_loader, "FRESH_S", 0.05)
    pool = Pool()

    def wait_for_room(_: int) -> None:
        wait_until(lambda: pool.held == [])

    pool.before = wait_for_room
    loader = a_loader(pool)
    for future in [loader.request(1), loader.request(2)]:
        future.result(10)
    assert pool.loads == [1, 2]


def test_a_failure_is_raised_where_the_version_was_asked_for_and_the_next_one_loads() -> None:
    def fail(version: int) -> None:
        if version == 1:
            raise LoadFailedError("not now")

    loader = a_loader(Pool(fail))
    with pytest.raises(LoadFailedError, match="not now"):
        loader.load(1)
    loader.load(2)


def test_a_registry_that_cannot_be_read_ends_no_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_loader, "DATABASE_S", 0.0)
    errors: list[Exception] = [OperationalError("away")]

    def away(_: int) -> None:
        if errors:
            raise errors.pop()

    loader = a_loader(Pool(away))
    with pytest.raises(OperationalError):
        loader.load(1)
    loader.load(1)


def test_a_load_that_outlives_its_limit_has_failed_and_ends_the_worker_once() -> None:
    gate, ends = Event(), list[str]()
    pool = Pool(opened(gate))
    loader: Any = a_loader(pool, limit_s=30.0)
    loader.late = lambda: ends.append("end")
    future = loader.request(1)
    wait_until(lambda: loader._current is not None)
    loader.look(time.monotonic() + 29)
    assert not future.done()
    for _ in range(2):
        loader.look(time.monotonic() + 31)
    with pytest.raises(LoadFailedError, match="not loaded within 30 s"):
        future.result(0)
    assert (pool.late, ends, loader.stuck) == ([1], ["end"], True)
    gate.set()


def test_before_the_watchdog_runs_whoever_waits_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_loader, "LOOK_S", 0.01)
    gate = Event()
    loader = a_loader(Pool(opened(gate)), limit_s=0.05)
    with pytest.raises(LoadFailedError):
        loader.load_watching(1)
    assert loader.stuck
    gate.set()
