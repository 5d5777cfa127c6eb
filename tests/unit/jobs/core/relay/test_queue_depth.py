from __future__ import annotations

from jobs.core.relay.queue_depth import AHEAD_LEAST, BACKLOG_MOST, BACKLOG_S, SPARE, Depth, ahead, prefetch


def after(depth: Depth, seconds: float, *, per_s: float, workers: int = 1, every_s: float = 0.1) -> int:
    """Let workers take `per_s` of a queue that is topped up, and return the depth in the end."""
    held = most = 0
    for look in range(int(seconds / every_s) + 1):
        held = max(0, held - int(per_s * every_s))
        most = depth.look(held, workers=workers, max_batch=64, now=look * every_s)
        depth.published(most - held)
        held = most
    return most


def test_before_any_count_each_worker_has_as_much_as_it_can_use() -> None:
    assert Depth().look(0, workers=1, max_batch=64, now=0.0) == ahead(64) == AHEAD_LEAST
    assert Depth().look(0, workers=3, max_batch=64, now=0.0) == 3 * AHEAD_LEAST
    assert Depth().look(0, workers=1, max_batch=256, now=0.0) == 4 * 256


def test_without_workers_there_is_enough_for_the_first() -> None:
    assert Depth().look(0, workers=0, max_batch=64, now=0.0) == AHEAD_LEAST


def test_the_depth_never_exceeds_the_operator_s() -> None:
    assert Depth(100).look(0, workers=4, max_batch=64, now=0.0) == 100
    assert after(Depth(20_000), 20, per_s=200) == 20_000


def test_the_broker_holds_a_bounded_number_for_quick_workers() -> None:
    assert after(Depth(), 20, per_s=100_000) == BACKLOG_MOST


def test_the_broker_holds_nothing_for_slow_workers_and_some_jobs_for_quick_ones() -> None:
    assert after(Depth(), 20, per_s=200) == AHEAD_LEAST
    assert abs(after(Depth(), 20, per_s=4_000) - 4_000 * BACKLOG_S) < 100


def test_workers_that_stop_let_the_depth_shrink_again() -> None:
    depth = Depth()
    assert after(depth, 20, per_s=4_000) > AHEAD_LEAST
    for look in range(300, 600):
        most = depth.look(AHEAD_LEAST, workers=1, max_batch=64, now=look / 10)
    assert most == AHEAD_LEAST


def test_a_worker_with_all_its_jobs_has_room_in_its_prefetch() -> None:
    for max_batch in (1, 16, 64, 256):
        lanes, held = 4, ahead(max_batch)
        claimed = (lanes + 2) * max_batch  # one on each lane, one claimed, one that is stored
        assert prefetch(max_batch) - held - claimed >= SPARE
