"""The exit status of a round: a fault that hit nothing is told apart from one that broke something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import Verdict, Violation
from tests.chaos.report import status
from tests.chaos.round import Outcome, Passed
from tests.chaos.waits import Waits

LOST = Violation("lost", "accepted, but there is no row")


def outcome(*violations: Violation, span: Waits | None = None, **fields: Any) -> Outcome:
    passed = Passed("a", at_s=1.0, began=1.0, since=1.0, healed=2.0, recovery_s=5.0)
    return Outcome([replace(passed, **fields)], Verdict(violations, {}, []), 0.0, [span])


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (outcome(hits={"jobs": 3}), 0),
        (outcome(), 2),
        (outcome(LOST), 1),
        (outcome(LOST, hits={"jobs": 3}), 1),
        (outcome(hits={"jobs": 3}, recovery_s=61.0), 1),
        (outcome(hits={"jobs": 3}, recovery_s=None), 1),
        (outcome(hits={"jobs": 3}, trouble="AssertionError: a worker was started again"), 1),
        (outcome(hits={"jobs": 3}, p99_s=15.0, span=Waits(100, 1.0, 15.1)), 1),
        (outcome(hits={"jobs": 3}, p99_s=15.0, span=Waits(100, 1.0, 14.9)), 0),
        (outcome(hits={"jobs": 3}, span=Waits(100, 1.0, 99.0)), 0),
    ],
)
def test_the_exit_status_of_a_round(result: Outcome, expected: int) -> None:
    assert status(result) == expected
