"""Workers are wanted for what arrives, for what waits beyond the goal, and none where there is nothing."""

from __future__ import annotations

import pytest

from jobs.core.admission.workers_wanted import workers_wanted


@pytest.mark.parametrize(
    ("arrivals_per_s", "waiting", "worker_per_s", "busy", "wanted"),
    [
        (0.0, 0, 10.0, 0, 0),
        (0.0, 0, 10.0, 2, 2),  # one that runs something is not sent home
        (0.0, 1, None, 0, 1),  # nothing was measured: one worker will tell
        (0.5, 0, None, 0, 1),
        (0.1, 0, 10.0, 0, 1),
        (8.0, 0, 10.0, 0, 1),  # four fifths of one worker's time
        (9.0, 0, 10.0, 0, 2),
        (80.0, 160, 10.0, 0, 10),  # what waits for less than the goal is no backlog
        (80.0, 460, 10.0, 0, 11),  # 300 more, in half a minute
        (0.0, 3_000, 10.0, 0, 10),
    ],
)
def test_the_number_follows_load_and_backlog(
    arrivals_per_s: float, waiting: int, worker_per_s: float | None, busy: int, wanted: int
) -> None:
    assert wanted == workers_wanted(
        arrivals_per_s=arrivals_per_s, waiting=waiting, worker_per_s=worker_per_s, goal_s=2.0, busy=busy
    )


def test_a_goal_longer_than_half_a_minute_gives_the_backlog_as_long() -> None:
    one = workers_wanted(arrivals_per_s=0.0, waiting=6_000, worker_per_s=10.0, goal_s=600.0)
    assert one == 1
