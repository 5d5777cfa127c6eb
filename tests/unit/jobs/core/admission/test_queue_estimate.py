from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import median
from typing import Any

import pytest

from jobs.core.admission.queue_count import QueueCount, Span
from jobs.core.admission.queue_estimate import QueueEstimate, QueuePlace, earlier_part
from jobs.core.admission.shedding import expect
from jobs.core.ids import uuid7

ME, NOISY, QUIET = 1, 2, 3


def counted(level: int = 4, jobs: int = 0, **columns: Any) -> QueueCount:
    waiting = tuple(jobs if priority == level else 0 for priority in range(10))
    return QueueCount(waiting, (10.0,) * 10, (5.0,) * 10, **columns)


def test_the_highest_priority_is_subtracted_first() -> None:
    waiting = (5, 0, 0, 0, 0, 0, 0, 0, 0, 5)
    queue = QueueEstimate(QueueCount(waiting, per_s=2.0), 0.0)
    assert [queue.place(priority, ME, 2.0).position() for priority in (9, 0)] == [1, 6]
    assert [queue.place(priority, ME, 4.0).position() for priority in (9, 0)] == [0, 2]


def beside(**waiting: int) -> QueueCount:
    """Return a queue of priority 4 with so many jobs of mine and of others."""
    whose = {{"me": ME, "noisy": NOISY, "quiet": QUIET}[name]: count for name, count in waiting.items()}
    return replace(counted(jobs=sum(whose.values())), by_client=({},) * 4 + (whose,) + ({},) * 5)


def test_clients_of_one_priority_take_turns() -> None:
    queue = QueueEstimate(beside(noisy=10_000, quiet=2), 0.0)
    assert queue.place(4, ME, 0.0).position() == 2
    assert queue.place(4, ME, 0.0).position(more=5) == 5 + 6 + 2
    assert queue.place(4, QUIET, 0.0).position() == 5
    assert queue.place(4, NOISY, 0.0).position() == 10_002
    assert queue.place(4, ME, 0.0).waiting == 10_002


def test_jobs_sent_since_the_count_belong_to_their_client() -> None:
    queue = QueueEstimate(beside(noisy=10_000), 0.0)
    queue.add(4, ME, 10, now=0.0)
    assert queue.place(4, ME, 0.0).position() == 21


def test_a_job_that_waits_beside_a_noisy_client_is_behind_its_own_clients_twice() -> None:
    queue = QueueEstimate(beside(noisy=10_000, me=10), 0.0)
    assert queue.ahead_of(4, ME, 0.0, age_s=5.0) == 5 + 6
    assert queue.ahead_of(4, NOISY, 0.0, age_s=5.0) == 5_000 + 10


def test_half_of_the_jobs_that_arrive_at_once_are_ahead_and_all_are_ahead_of_a_later_one() -> None:
    assert earlier_part(3.0, head_s=3.0, mean_s=3.0) == pytest.approx(0.5, abs=0.01)
    assert earlier_part(1.0, head_s=3.0, mean_s=2.99) == pytest.approx(1.0, abs=0.01)
    assert earlier_part(2.0, head_s=3.0, mean_s=0.01) == pytest.approx(0.0, abs=0.01)
    assert earlier_part(0.75, head_s=3.0, mean_s=1.5) == pytest.approx(0.75, abs=0.01)


def test_jobs_of_unknown_clients_are_all_ahead() -> None:
    assert QueuePlace(3.0, 10.0).position(more=2) == 15


def test_an_emptied_queue_gives_no_credit_to_a_newcomer() -> None:
    queue = QueueEstimate(counted(jobs=10, per_s=100.0), 0.0)
    queue.add(4, ME, 50, now=1.0)
    assert queue.place(4, ME, 1.0).position() == 50


def test_each_admitted_job_counts_also_for_those_of_other_processes() -> None:
    queue = QueueEstimate(counted(arriving_per_s=30.0), 0.0, own_per_s=10.0)
    queue.add(4, ME, 10, now=0.5)
    assert queue.place(4, ME, 0.5).position() == 30


def test_jobs_admitted_before_the_count_are_not_counted_twice() -> None:
    queue = QueueEstimate(counted(jobs=3), 5.0)
    queue.replay([(4.9, 4, ME, 7), (5.1, 4, ME, 2)])
    assert queue.place(4, ME, 5.2).position() == 5


@pytest.mark.parametrize(("age_s", "ahead"), [(12.0, 0), (10.0, 0), (5.0, 50), (0.0, 100)])
def test_a_job_that_waits_is_behind_those_that_came_before_it(age_s: float, ahead: int) -> None:
    assert QueueEstimate(counted(jobs=100), 0.0).ahead_of(4, ME, 0.0, age_s=age_s) == ahead


def test_the_estimate_is_calibrated_over_many_jobs() -> None:
    """A queue that is counted once a second and drained with jitter, through bursts."""
    chance, per_s, service_s = Random(7), 200.0, 0.05
    now, free_s, ratios = 0.0, 0.0, list[float]()
    ends: list[float] = []
    queue, counted_s = QueueEstimate(counted(per_s=per_s), 0.0), 0.0
    for _ in range(8_000):
        now += chance.expovariate(260.0 if int(now) % 10 < 5 else 120.0)
        if now - counted_s >= 1.0:
            counted_s = now
            queue = QueueEstimate(counted(jobs=sum(end > now for end in ends[-5_000:]), per_s=per_s), now)
        estimate = expect(queue.place(4, ME, now).position(), QueueCount(per_s=per_s, answer_s=service_s))
        queue.add(4, ME, 1, now)
        free_s = max(free_s, now) + chance.uniform(0.5, 1.5) / per_s
        ends.append(free_s)
        assert estimate.eta_s is not None
        ratios.append(estimate.eta_s / (free_s - now + service_s))
    print(f"median {median(ratios):.2f}")
    assert 0.7 <= median(ratios) <= 1.4


def test_jobs_of_one_call_keep_their_order() -> None:
    ids = [uuid7(1_000, 77 + number) for number in range(800)]
    span = Span(6.4, 6.4, str(ids[200]), str(ids[-1]))  # the first 200 are done
    count = replace(counted(jobs=600), by_client=({},) * 4 + ({ME: 600},) + ({},) * 5)
    count = replace(count, spans=({},) * 4 + ({ME: span},) + ({},) * 5)
    queue = QueueEstimate(count, 0.0)
    places = [queue.ahead_of(4, ME, 0.0, age_s=6.4, job=ids[at]) for at in (200, 500, 799)]
    assert places == pytest.approx([0, 300, 600], abs=2)


def test_a_client_s_place_is_by_the_ages_of_its_own_jobs() -> None:
    ids = [str(uuid7(ms, 0)) for ms in (1_000, 9_000)]
    mine, other = Span(2.0, 1.0, *ids), Span(100.0, 99.0, *ids)
    count = replace(counted(jobs=1_010), by_client=({},) * 4 + ({ME: 10, ME + 1: 1_000},) + ({},) * 5)
    count = replace(count, spans=({},) * 4 + ({ME: mine, ME + 1: other},) + ({},) * 5)
    assert QueueEstimate(count, 0.0).ahead_of(4, ME, 0.0, age_s=1.0) == pytest.approx(11, abs=2)
