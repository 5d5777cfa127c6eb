"""Loops beside a test, and calls at the same time."""

from __future__ import annotations

from threading import Barrier, Event, get_ident

import pytest

from tests.support import threads
from tests.support.threads import at_once, in_thread


def test_a_loop_runs_until_the_block_ends() -> None:
    stop = Event()
    with in_thread(lambda: stop.wait(20), stop):
        assert not stop.is_set()
    assert stop.is_set()


def test_a_loop_that_does_not_stop_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LIMIT_S", 0.05)
    release = Event()
    with pytest.raises(AssertionError, match="did not stop"), in_thread(lambda: release.wait(20), Event()):
        pass
    release.set()


def test_calls_at_once_meet_and_their_results_keep_their_order() -> None:
    met = Barrier(3, timeout=20)

    def call(number: int) -> tuple[int, int]:
        met.wait()
        return number, get_ident()

    results = at_once([lambda: call(0), lambda: call(1), lambda: call(2)])
    assert [number for number, _ in results] == [0, 1, 2]
    assert len({thread for _, thread in results}) == 3


def test_a_call_that_fails_fails_the_test() -> None:
    with pytest.raises(ZeroDivisionError):
        at_once([lambda: 1, lambda: 1 // 0])
