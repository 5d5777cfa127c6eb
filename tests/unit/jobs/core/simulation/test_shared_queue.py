"""The queue hands out in turn, by priority, up to each worker's prefetch."""

from __future__ import annotations

from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.shared_queue import SharedQueue


class Sink:
    def __init__(self) -> None:
        self.got: list[Arrival] = []

    def deliver(self, arrival: Arrival) -> None:
        self.got.append(arrival)


def test_workers_with_room_are_served_in_turn() -> None:
    workers = [Sink(), Sink(), Sink()]
    queue = SharedQueue(workers, prefetch=10)
    for number in range(7):
        queue.publish(Arrival(float(number)))
    assert [[arrival.at_s for arrival in worker.got] for worker in workers] == [[0, 3, 6], [1, 4], [2, 5]]


def test_no_worker_gets_more_than_its_prefetch_before_it_acknowledges() -> None:
    worker = Sink()
    queue = SharedQueue([worker], prefetch=2)
    for number in range(5):
        queue.publish(Arrival(float(number)))
    assert (len(worker.got), len(queue)) == (2, 3)
    queue.acknowledge(worker, 1)
    assert ([arrival.at_s for arrival in worker.got], len(queue)) == ([0, 1, 2], 2)
    queue.acknowledge(worker, 2)
    assert len(worker.got) == 5


def test_a_higher_level_overtakes_waiting_jobs_and_each_level_keeps_its_order() -> None:
    worker = Sink()
    queue = SharedQueue([worker], prefetch=1)
    for number, priority in enumerate((0, 0, 4, 9, 8)):
        queue.publish(Arrival(float(number), priority=priority))
    for _ in range(4):
        queue.acknowledge(worker, 1)
    assert [arrival.at_s for arrival in worker.got] == [0, 3, 4, 2, 1]


def test_a_worker_without_room_is_passed_over() -> None:
    full, free = Sink(), Sink()
    queue = SharedQueue([full, free], prefetch=2)
    for number in range(4):
        queue.publish(Arrival(float(number)))
    queue.acknowledge(free, 2)
    queue.publish(Arrival(4.0))
    queue.publish(Arrival(5.0))
    assert (len(full.got), len(free.got)) == (2, 4)
