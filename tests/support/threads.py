"""Loops that run beside a test, and calls that are made at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, Thread
from typing import TypeVar

from django.db import connections

Value = TypeVar("Value")
LIMIT_S = 20.0


@contextmanager
def in_thread(loop: Callable[[], object], stop: Event) -> Iterator[None]:
    """Run a loop in a thread for as long as the block lasts, then set `stop`: the loop must end soon."""
    thread = Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive(), f"{loop} did not stop"


def at_once(calls: Sequence[Callable[[], Value]]) -> list[Value]:
    """Make the calls at the same time, in a thread with a connection of its own each; return the results."""
    together = Barrier(len(calls), timeout=LIMIT_S)

    def make(call: Callable[[], Value]) -> Value:
        together.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(make, calls))
