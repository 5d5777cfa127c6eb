"""A caller may decide that it is traced, so many times a second."""

from __future__ import annotations

from jobs.tracing.caller_budget import CallerBudget


def test_each_client_has_its_own_share_of_each_second() -> None:
    budget = CallerBudget(2)
    taken = [budget.take(client, now) for client, now in [(1, 5.0), (1, 5.1), (1, 5.9), (2, 5.9), (1, 6.0)]]
    assert taken == [True, True, False, True, True]


def test_it_remembers_nobody_beyond_a_second() -> None:
    budget = CallerBudget(1)
    for client in range(1_000):
        budget.take(client, 5.0)
    budget.take(1, 6.0)
    assert len(budget._taken) == 1


def test_nobody_decides_where_none_may() -> None:
    assert not CallerBudget(0).take(1, 5.0)
