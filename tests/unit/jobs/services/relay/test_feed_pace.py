"""A broker that refuses is asked again after longer and longer pauses, and soon once it confirms."""

from __future__ import annotations

from jobs.services.relay.feed_pace import FIRST_PAUSE_S, LONGEST_PAUSE_S, FeedPace


def test_each_refusal_doubles_the_pause_up_to_a_limit_and_a_confirm_makes_it_short_again() -> None:
    pace, pauses = FeedPace(), list[float]()
    for now in range(8):
        pace.pause(now)
        pauses.append(pace.paused_until - now)
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    pace.confirmed()
    pace.pause(100.0)
    assert pace.paused_until == 100.0 + FIRST_PAUSE_S
