"""Work that another transaction keeps from its lock is tried again, for as long as there is patience."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from django.db import OperationalError, ProgrammingError

from jobs.management.lock_patience import LockNotGivenError, patiently


class Virtual:
    """A clock that `sleep` moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def fails(times: int, cause: psycopg.Error) -> tuple[Callable[[], None], list[int]]:
    calls = list[int]()

    def work() -> None:
        calls.append(1)
        if len(calls) <= times:
            raise OperationalError from cause

    return work, calls


def attempt(work: Callable[[], None], *, patience_s: float = 10.0) -> list[str]:
    said, clock = list[str](), Virtual()
    patiently(work, patience_s=patience_s, say=said.append, clock=lambda: clock.now, sleep=clock.sleep)
    return said


def test_it_is_tried_again_until_the_lock_is_given() -> None:
    work, calls = fails(3, psycopg.errors.LockNotAvailable())
    assert len(attempt(work)) == 3
    assert len(calls) == 4


def test_a_deadlock_is_tried_again_too() -> None:
    work, calls = fails(1, psycopg.errors.DeadlockDetected())
    attempt(work)
    assert len(calls) == 2


def test_patience_ends_with_a_sentence_that_says_what_to_do() -> None:
    work, calls = fails(99, psycopg.errors.LockNotAvailable())
    with pytest.raises(LockNotGivenError, match="End the transaction that stays open"):
        attempt(work, patience_s=4.0)
    assert len(calls) == 5


def test_any_other_error_is_raised_as_it_is() -> None:
    def work() -> None:
        raise ProgrammingError from psycopg.errors.UndefinedTable()

    with pytest.raises(ProgrammingError):
        attempt(work)
