"""A version's circuit opens on failures of several clients or of known inputs; else a client's own opens."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.circuits.breaker import ANSWERED_BEFORE, Breaker, Finding
from jobs.core.circuits.tally import EVERY_CLIENT, VerdictTally
from models_registry.core.options import BreakerOptions

OPTIONS = BreakerOptions(window_s=30.0, least=20, share=0.5, dead=10)
A, B, C, D, E = range(1, 6)


def failed(count: int) -> VerdictTally:
    return VerdictTally(blamed=count)


def dead(count: int) -> VerdictTally:
    return VerdictTally(blamed=count, dead=count, spent=count)


def answered(count: int) -> VerdictTally:
    return VerdictTally(succeeded=count)


def clients(findings: list[Finding]) -> set[int]:
    return {finding.client for finding in findings}


def test_a_failing_majority_of_several_clients_opens_the_version_s_circuit() -> None:
    breaker = Breaker(OPTIONS)
    assert breaker.observe(0.0, {A: failed(9), B: VerdictTally(succeeded=9, blamed=1)}) == []
    assert breaker.observe(1.0, {C: failed(2)}) == [
        Finding(EVERY_CLIENT, "12 of 21 attempts in 30 s failed, of several clients, more than 50%.")
    ]


def test_one_client_s_failures_hold_that_client_alone() -> None:
    (finding,) = Breaker(OPTIONS).observe(0.0, {A: failed(60), B: answered(3)})
    assert finding == Finding(A, "60 of the client's 60 attempts in 30 s failed, more than 50%.")


def test_one_failure_of_a_second_client_does_not_make_the_version_sick() -> None:
    assert clients(Breaker(OPTIONS).observe(0.0, {A: failed(60), B: failed(1)})) == {A}


def test_bad_inputs_of_some_clients_do_not_hold_those_that_succeed() -> None:
    many = {A: failed(300), B: failed(300), C: answered(5), D: answered(5), E: answered(5)}
    assert clients(Breaker(OPTIONS).observe(0.0, many)) == {A, B}


def test_failures_of_inputs_that_succeeded_before_show_that_the_version_is_sick() -> None:
    bad = VerdictTally(blamed=20, answered_before=ANSWERED_BEFORE)
    (finding,) = Breaker(OPTIONS).observe(0.0, {A: bad})
    assert finding.client == EVERY_CLIENT
    assert "also of inputs that succeeded before" in finding.reason
    fewer = VerdictTally(blamed=20, answered_before=ANSWERED_BEFORE - 1)
    assert clients(Breaker(OPTIONS).observe(0.0, {A: fewer})) == {A}


def test_pinned_failures_never_open_the_version_s_circuit() -> None:
    pinned = VerdictTally(blamed=500, pinned=500, dead=500)
    assert clients(Breaker(OPTIONS).observe(0.0, {A: pinned, B: pinned, C: pinned})) == {A, B, C}


def test_invalid_inputs_hold_a_client_none_of_whose_jobs_succeeds() -> None:
    invalid = VerdictTally(dead=10)
    findings = Breaker(OPTIONS).observe(
        0.0, {A: invalid, B: invalid, C: VerdictTally(succeeded=1, dead=1_000)}
    )
    assert clients(findings) == {A, B}
    assert findings[0].reason == ("Every job of the client fails: 10 ended dead in 30 s and none succeeded.")


def test_dead_jobs_of_several_clients_open_the_version_s_circuit() -> None:
    limits = BreakerOptions(window_s=30.0, least=10_000, share=0.5, dead=10)
    one_each = {client: dead(1) for client in range(1, 1_200)}
    (finding,) = Breaker(limits).observe(0.0, one_each)
    assert finding.client == EVERY_CLIENT
    assert "1199 ended dead" in finding.reason
    assert clients(Breaker(limits).observe(0.0, {A: dead(10)})) == {A}


def test_many_clients_of_one_job_each_open_the_version_s_circuit() -> None:
    assert clients(Breaker(OPTIONS).observe(0.0, {c: failed(1) for c in range(1, 21)})) == {EVERY_CLIENT}


def test_verdicts_older_than_the_window_are_forgotten() -> None:
    breaker = Breaker(OPTIONS)
    assert breaker.observe(0.0, {A: failed(19)}) == []
    assert breaker.observe(30.0, {A: failed(19)}) == []
    assert clients(breaker.observe(31.0, {A: failed(1)})) == {A}


@pytest.mark.parametrize("whose", [[A], [A, B]])
def test_counting_restarts_after_an_opening(whose: list[int]) -> None:
    breaker = Breaker(OPTIONS)
    some = {client: failed(20 // len(whose)) for client in whose}
    assert breaker.observe(0.0, some)
    assert breaker.observe(0.1, {A: failed(9)}) == []


def test_a_client_s_failures_still_count_for_the_version_after_its_own_circuit_opened() -> None:
    breaker = Breaker(OPTIONS)
    assert clients(breaker.observe(0.0, {A: failed(20)})) == {A}
    assert clients(breaker.observe(1.0, {B: failed(5)})) == {EVERY_CLIENT}


def test_a_disabled_breaker_never_opens() -> None:
    options = BreakerOptions(enabled=False)
    assert Breaker(options).observe(0.0, {A: dead(10_000), B: dead(10_000)}) == []


def test_a_breaker_says_whether_its_worker_answers_other_clients() -> None:
    breaker = Breaker(OPTIONS)
    breaker.observe(0.0, {A: failed(20), B: answered(2)})
    assert breaker.answers_others(A)
    assert not breaker.answers_others(B)


def test_bad_clients_come_and_go_for_an_hour_and_the_good_ones_are_never_held() -> None:
    """Virtual time: batches of mixed clients, of which some send only what fails."""
    chance, breaker, held = random.Random(15), Breaker(BreakerOptions()), set[int]()
    for second in range(3_600):
        bad = 100 + second // 600
        good = {client: answered(chance.randint(0, 3)) for client in range(1, 7)}
        held |= clients(breaker.observe(float(second), {**good, bad: dead(chance.randint(0, 40))}))
    assert held == {100, 101, 102, 103, 104, 105}


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(1, 4), st.integers(0, 8)), max_size=60))
def test_all_that_fails_is_held_by_one_circuit_or_the_other(steps: list[tuple[float, int, int]]) -> None:
    breaker, now, seen = Breaker(OPTIONS), 0.0, dict.fromkeys(range(1, 5), 0)
    for _, client, count in steps:
        now += 0.01
        seen[client] += count
        held = clients(breaker.observe(now, {client: failed(count)}))
        if EVERY_CLIENT in held:
            return
        assert (client in held) == (seen[client] >= OPTIONS.least)
        if client in held:
            seen[client] = 0
