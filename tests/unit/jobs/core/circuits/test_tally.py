"""A failure counts against a version unless its input is to blame: it is invalid, or bisection pinned it."""

from __future__ import annotations

import pytest

from jobs.core.circuits.tally import BLAMED, Answer, VerdictTally, summed, tallies_of
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.states import State

A, B = 7, 8
ANSWERED = Success(b"1")


def failed(kind: FailureKind = FailureKind.INTERNAL) -> Failure:
    return Failure(kind, "a_code", "a message")


def good(client: int) -> Answer:
    return Answer(client, ANSWERED, State.SUCCEEDED)


def bad(client: int, kind: FailureKind = FailureKind.INTERNAL, *, before: bool = False) -> Answer:
    return Answer(client, failed(kind), State.DEAD, before)


@pytest.mark.parametrize("successes", [1, 7])
def test_a_failure_whose_batch_succeeded_otherwise_is_pinned_to_its_item(successes: int) -> None:
    tallies = tallies_of([bad(A), *[good(B)] * successes])
    assert tallies[A] == VerdictTally(blamed=1, pinned=1, dead=1)
    assert tallies[A].suspected == 0
    assert tallies[B] == VerdictTally(succeeded=successes)


@pytest.mark.parametrize("batch", [[bad(A)], [bad(A)] * 3, [bad(A)] * 3 + [good(B)]])
def test_a_batch_that_mostly_fails_pins_nothing(batch: list[Answer]) -> None:
    count = sum(answer.client == A for answer in batch)
    assert tallies_of(batch)[A] == VerdictTally(blamed=count, dead=count, spent=count)


def test_an_invalid_input_is_no_failure_of_the_model() -> None:
    assert FailureKind.INVALID not in BLAMED
    assert tallies_of([bad(A, FailureKind.INVALID)])[A] == VerdictTally(dead=1)


def test_a_failing_input_that_was_answered_before_counts_apart() -> None:
    assert tallies_of([bad(A, before=True), bad(A)])[A] == VerdictTally(
        blamed=2, answered_before=1, dead=2, spent=2
    )


def test_sums_are_by_client() -> None:
    total = summed([tallies_of([good(A), good(B)]), tallies_of([good(A)])])
    assert total == {A: VerdictTally(succeeded=2), B: VerdictTally(succeeded=1)}
