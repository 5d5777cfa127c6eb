"""Each death in a row doubles the pause before the next start; a worker that serves ends that."""

from __future__ import annotations

from jobs.core.scaling.start_backoff import LONGEST_S, StartBackoff


def test_pauses_double_up_to_a_limit_and_begin_again_once_a_worker_has_served() -> None:
    backoff = StartBackoff()
    assert backoff.allows(0.0)
    assert [backoff.died(0.0) for _ in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert (backoff.allows(15.9), backoff.allows(16.0)) == (False, True)
    assert (backoff.pause_s(10.0), backoff.pause_s(16.0)) == (6.0, None)
    assert [backoff.died(0.0) for _ in range(40)][-1] == LONGEST_S
    backoff.settled()
    assert backoff.allows(0.0)
    assert backoff.died(0.0) == 2.0
