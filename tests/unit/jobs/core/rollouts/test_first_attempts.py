"""What a first attempt says of a version, and what is one failure of a whole batch."""

from __future__ import annotations

import pytest

from jobs.core.errors import PayloadKeyMissingError
from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.rollouts.first_attempts import PLATFORM_CODES, AttemptFinding, finding_of, is_broken

ANSWER = Success(b"1")


def failed(kind: FailureKind, code: str = "boom") -> Failure:
    return Failure(kind, code, "")


@pytest.mark.parametrize(
    ("outcome", "finding"),
    [
        (ANSWER, AttemptFinding.ANSWERED),
        (failed(FailureKind.INTERNAL), AttemptFinding.FAILED),
        (failed(FailureKind.TRANSIENT), AttemptFinding.FAILED),
        (failed(FailureKind.TIMEOUT), AttemptFinding.FAILED),
        (failed(FailureKind.POISON), AttemptFinding.FAILED),
        (failed(FailureKind.INVALID), AttemptFinding.REFUSED),
        (failed(FailureKind.INTERNAL, "load_failed"), AttemptFinding.FAILED),
        (failed(FailureKind.TRANSIENT, "payload_unavailable"), None),
        (failed(FailureKind.INVALID, PayloadKeyMissingError.code), None),
    ],
)
def test_a_failure_of_the_platform_says_nothing_of_the_version(
    outcome: Outcome, finding: AttemptFinding | None
) -> None:
    assert finding_of(outcome) is finding


def test_every_way_in_which_a_payload_is_not_read_is_the_platform_s() -> None:
    assert {"payload_lost", "payload_corrupt", "payload_plain", "payload_erased"} <= PLATFORM_CODES


LACKS, SLOW = failed(FailureKind.RESOURCE), failed(FailureKind.TIMEOUT)


@pytest.mark.parametrize(
    ("outcomes", "unprepared", "broken"),
    [
        ([LACKS, LACKS], False, True),
        ([SLOW], False, True),
        ([failed(FailureKind.INTERNAL)] * 3, True, True),
        ([failed(FailureKind.INTERNAL)] * 3, False, False),
        ([LACKS, SLOW], False, False),
        ([LACKS, ANSWER], False, False),
        ([ANSWER, ANSWER], True, False),
        ([], True, False),
    ],
)
def test_a_batch_is_broken_where_all_of_it_failed_in_one_way(
    outcomes: list[Outcome], *, unprepared: bool, broken: bool
) -> None:
    assert is_broken(outcomes, unprepared=unprepared) is broken
