"""The queue hands out in turn, by priority, up to each worker's prefetch."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.core.priority import broker_priority
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.shared_queue import SharedQueue


class Sink:
    def __init__(self) -> None:
        self.got: list[Arrival] = []

    def deliver(self, arrivals: Sequence[Arrival]) -> None:
        self.got += arrivals


def publish(queue: SharedQueue[Sink], *arrivals: Arrival, fast: bool = False) -> None:
    queue.publish(arrivals, broker_priority(arrivals[0].priority, fast=fast))


def test_workers_with_room_are_served_in_turn() -> None:
    workers = [Sink(), Sink(), Sink()]
    queue = SharedQueue(workers, prefetch=10)
    for number in range(7):
        publish(queue, Arrival(float(number)))
    assert [[arrival.at_s for arrival in worker.got] for worker in workers] == [[0, 3, 6], [1, 4], [2, 5]]


def test_no_worker_gets_more_than_its_prefetch_before_it_acknowledges() -> None:
    worker = Sink()
    queue = SharedQueue([worker], prefetch=2)
    for number in range(5):
        publish(queue, Arrival(float(number)))
    assert (len(worker.got), len(queue)) == (2, 3)
    queue.acknowledge(worker, worker.got[:1])
    assert ([arrival.at_s for arrival in worker.got], len(queue)) == ([0, 1, 2], 2)
    queue.acknowledge(worker, worker.got[1:3])
    assert len(worker.got) == 5


def test_a_higher_level_overtakes_waiting_jobs_and_each_level_keeps_its_order() -> None:
    worker = Sink()
    queue = SharedQueue([worker], prefetch=1)
    for number, priority in enumerate((0, 0, 4, 9, 8)):
        publish(queue, Arrival(float(number), priority=priority))
    for _ in range(4):
        queue.acknowledge(worker, worker.got[:1])
    assert [arrival.at_s for arrival in worker.got] == [0, 3, 4, 2, 1]


def test_a_worker_without_room_is_passed_over() -> None:
    full, free = Sink(), Sink()
    queue = SharedQueue([full, free], prefetch=2)
    for number in range(4):
        publish(queue, Arrival(float(number)))
    queue.acknowledge(free, free.got)
    publish(queue, Arrival(4.0))
    publish(queue, Arrival(5.0))
    assert (len(full.got), len(free.got)) == (2, 4)


def test_the_fast_side_of_a_level_goes_first_and_a_higher_level_before_it() -> None:
    worker = Sink()
    queue = SharedQueue([worker], prefetch=1)
    for number, (priority, fast) in enumerate([(4, False), (4, False), (4, True), (9, False)]):
        publish(queue, Arrival(float(number), priority=priority), fast=fast)
    for _ in range(3):
        queue.acknowledge(worker, worker.got[-1:])
    assert [arrival.at_s for arrival in worker.got] == [0, 3, 2, 1]


def test_a_message_of_several_jobs_takes_one_place_until_all_of_them_have_ended() -> None:
    worker = Sink()
    queue = SharedQueue([worker], prefetch=1)
    publish(queue, Arrival(0.0), Arrival(1.0))
    publish(queue, Arrival(2.0))
    assert len(worker.got) == 2
    queue.acknowledge(worker, worker.got[:1])
    assert len(worker.got) == 2
    queue.acknowledge(worker, worker.got[1:])
    assert len(worker.got) == 3
