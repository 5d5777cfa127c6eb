"""The longest time without an event, around a fault."""

from __future__ import annotations

import pytest

from tests.smoke.pauses import longest_pause_s

STEADY = [float(second) for second in range(10)]  # 0 to 9


@pytest.mark.parametrize(
    ("times", "since", "until", "expected"),
    [
        (STEADY, 2.0, 8.0, 1.0),
        ([0.0, 1.0, 6.0, 7.0], 2.0, 5.0, 5.0),  # the pause began before the span and ended after it
        ([0.0, 1.0, 6.0, 7.0], 6.0, 7.0, 1.0),  # the pause was over
        ([0.0, 1.0], 0.5, 20.0, 19.0),  # it never ended
        ([18.0, 19.0], 5.0, 19.0, 13.0),  # there was none before
        ([], 5.0, 25.0, 20.0),
    ],
)
def test_the_longest_pause_that_lies_partly_in_a_span(
    times: list[float], since: float, until: float, expected: float
) -> None:
    assert longest_pause_s(times, since, until) == expected
