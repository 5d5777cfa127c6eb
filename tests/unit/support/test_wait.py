"""A wait returns the awaited value, and its failure names it."""

from __future__ import annotations

import pytest

from tests.support.wait import NotInTimeError, wait_until


def test_a_wait_returns_the_first_true_value() -> None:
    values = iter([0, "", [], 7, 8])
    assert wait_until(lambda: next(values), every_s=0.0) == 7


def test_a_condition_that_holds_is_not_waited_for() -> None:
    assert wait_until(lambda: "here", limit_s=0.0, every_s=60.0) == "here"


def test_a_condition_that_never_holds_raises_with_what_and_the_last_value() -> None:
    with pytest.raises(NotInTimeError, match=r"0.05 s: an empty queue; the last value was \[\]"):
        wait_until(list, limit_s=0.05, what="an empty queue")


def test_a_function_as_what_is_called_only_at_a_failure() -> None:
    calls = iter(["two jobs left"])
    assert wait_until(lambda: True, what=lambda: next(calls))
    with pytest.raises(NotInTimeError, match="two jobs left"):
        wait_until(lambda: False, limit_s=0.0, what=lambda: next(calls))


def test_without_what_the_failure_quotes_the_condition() -> None:
    with pytest.raises(NotInTimeError, match=r"wait_until\(lambda: None"):
        wait_until(lambda: None, limit_s=0.0)
