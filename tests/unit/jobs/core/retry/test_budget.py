"""A budget holds the share of retries among publishes, for any sequence of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.retry.budget import FADE_S, LONGEST_WAIT_S, RetryBudget, RetryBudgets

# (seconds since the last turn, first publishes, due retries)
LOOKS = st.lists(
    st.tuples(st.floats(0, 20), st.integers(0, 1_000), st.integers(0, 200)), min_size=1, max_size=40
)
SHARES, FLOORS = st.floats(0, 0.9), st.floats(0.1, 50)


@dataclass(frozen=True)
class Row:
    number: int
    retry: bool = False
    version: int = 1


def passed(budget: RetryBudget, looks: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """Return each turn's time, first publishes and passed retries."""
    now, counts = 0.0, []
    for gap_s, firsts, retries in looks:
        now += gap_s
        counts.append((now, firsts, sum(budget.wait_s(now) == 0 for _ in range(retries))))
        budget.deposit(firsts, now)
    return counts


@given(LOOKS, SHARES, FLOORS)
def test_retries_never_exceed_their_share_and_the_floor(
    looks: list[tuple[float, int, int]], share: float, floor_per_s: float
) -> None:
    counts = passed(RetryBudget(share, floor_per_s), looks)
    began = counts[0][0]
    for at in range(len(counts)):
        firsts = sum(first for _, first, _ in counts[:at])
        retries = sum(retry for _, _, retry in counts[: at + 1])
        allowed = share / (1 - share) * firsts + floor_per_s * (counts[at][0] - began)
        assert retries <= allowed + 1e-6
        beyond_floor = retries - floor_per_s * (counts[at][0] - began)
        assert beyond_floor <= share * (beyond_floor + firsts) + 1e-6


@given(LOOKS, SHARES, FLOORS)
def test_waits_are_bounded_and_later_retries_wait_longer(
    looks: list[tuple[float, int, int]], share: float, floor_per_s: float
) -> None:
    budget, now = RetryBudget(share, floor_per_s), 0.0
    for gap_s, firsts, retries in looks:
        now += gap_s
        budget.deposit(firsts, now)
        waits = [wait for _ in range(retries) if (wait := budget.wait_s(now))]
        assert waits == sorted(waits)
        assert all(0 < wait <= LONGEST_WAIT_S for wait in waits)


def test_a_retry_passes_after_its_wait() -> None:
    budget, now, waits = RetryBudget(0.2, floor_per_s=0.5), 100.0, 0
    while wait_s := budget.wait_s(now):
        now, waits = now + wait_s + 0.01, waits + 1
        assert waits < 5
    assert now - 100 < 2 * 2 + 1


def test_a_quiet_version_retries_at_the_floor() -> None:
    counts = passed(RetryBudget(0.2, floor_per_s=2), [(0.5, 0, 5)] * 41)
    assert sum(retries for *_, retries in counts) == pytest.approx(2 * 0.5 * 40, abs=2)


def test_a_busy_version_s_retries_are_its_share() -> None:
    counts = passed(RetryBudget(0.2, floor_per_s=0.1), [(0.1, 100, 100)] * 300)
    retries, firsts = sum(r for *_, r in counts), sum(f for _, f, _ in counts)
    assert retries / (retries + firsts) == pytest.approx(0.2, abs=0.01)


def test_a_new_budget_has_no_savings() -> None:
    assert RetryBudget().wait_s(1e6) > 0


def test_the_savings_of_a_busy_hour_are_gone_after_a_calm_minute() -> None:
    budget = RetryBudget(0.2, floor_per_s=0.1)
    passed(budget, [(1.0, 1_000, 0)] * 3_600)
    assert budget.tokens <= 0.25 * 1_000 * (FADE_S + 1)
    ((_, _, retries),) = passed(budget, [(3_600 + 60.0, 0, 1_000)])
    assert retries <= 0.25 * 1_000 * (FADE_S + 1) / 100


def test_first_publishes_pass_in_order_among_any_retries() -> None:
    budgets = RetryBudgets(lambda _version: RetryBudget(0.2, floor_per_s=1.0))
    rows = [Row(number, retry=number % 3 == 0) for number in range(30)]
    published, over = budgets.split(rows, now=0.0)
    assert [row.number for row in published] == [number for number in range(30) if number % 3]
    assert [late.row.number for late in over] == list(range(0, 30, 3))
    assert [late.delay_s for late in over] == pytest.approx(list(range(1, 11)))


def test_each_version_has_its_own_budget() -> None:
    made = list[int]()

    def make(version: int) -> RetryBudget:
        made.append(version)
        return RetryBudget(0.5, floor_per_s=0.01)

    budgets = RetryBudgets(make)
    budgets.published([Row(0, version=1), Row(1, retry=True, version=2), Row(2, version=3)], now=0.0)
    published, over = budgets.split([Row(0, retry=True, version=1), Row(1, retry=True, version=2)], now=0.0)
    assert ([row.version for row in published], [late.row.version for late in over]) == ([1], [2])
    assert made == [1, 3, 2]
