"""Acks: each tag once, and a cumulative one never covers an unfinished message."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.messages.envelope import Envelope
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.reporting.acks import Acks


class Broker:
    """Keeps the unacknowledged tags of a channel, as RabbitMQ does."""

    def __init__(self) -> None:
        self.unacked: set[int] = set()
        self.rejected: set[int] = set()
        self.requeued: set[int] = set()
        self.frames = 0


class Message:
    def __init__(self, broker: Broker, tag: int) -> None:
        self.broker, self.delivery_tag, self._state = broker, tag, "RECEIVED"
        self.headers, self.properties, self.delivery_info = {}, {}, {}  # type: ignore[var-annotated]  # as the library types them
        broker.unacked.add(tag)

    @property
    def acknowledged(self) -> bool:
        return self._state != "RECEIVED"

    def ack(self, *, multiple: bool = False) -> None:
        assert not self.acknowledged
        assert self.delivery_tag in self.broker.unacked
        self.broker.frames += 1
        covered = {t for t in self.broker.unacked if t <= self.delivery_tag}
        self.broker.unacked -= covered if multiple else {self.delivery_tag}
        self._state = "ACK"

    def reject(self, *, requeue: bool) -> None:
        assert not self.acknowledged
        self.broker.unacked.remove(self.delivery_tag)
        (self.broker.requeued if requeue else self.broker.rejected).add(self.delivery_tag)
        self._state = "REJECTED"


def deliveries(broker: Broker, acks: Acks, count: int, *, jobs: int = 1) -> list[MessageDelivery]:
    parcels = [Parcel(Message(broker, tag), jobs, 1) for tag in range(1, count + 1)]
    for parcel in parcels:
        acks.received(parcel)
    envelope = Envelope(UUID(int=1), 0, 1, 4)
    return [MessageDelivery(parcel, envelope, task=None) for parcel in parcels for _ in range(jobs)]


def test_a_batch_in_order_takes_one_frame() -> None:
    broker, acks = Broker(), Acks()
    made = deliveries(broker, acks, 64)
    acks.acknowledge(made)
    assert (broker.unacked, broker.frames) == (set(), 1)
    assert all(delivery.acknowledged for delivery in made)


@given(st.integers(1, 30), st.integers(1, 3), st.data())
def test_exactly_the_done_messages_are_acknowledged_in_any_order(
    count: int, jobs: int, data: st.DataObject
) -> None:
    broker, acks = Broker(), Acks()
    remaining = deliveries(broker, acks, count, jobs=jobs)
    while remaining:
        done = data.draw(st.lists(st.sampled_from(remaining), min_size=1, unique_by=id))
        if data.draw(st.booleans()):
            acks.acknowledge(done)
        else:
            for delivery in done:
                acks.reject(delivery)
        remaining = [delivery for delivery in remaining if delivery not in done]
        assert broker.unacked == {delivery.parcel.tag for delivery in remaining}


def test_a_message_with_one_unknown_job_is_dead_lettered_after_its_other_jobs() -> None:
    broker, acks = Broker(), Acks()
    decoded, unknown, other = deliveries(broker, acks, 1, jobs=3)
    acks.reject(unknown)
    acks.acknowledge([decoded])
    assert broker.unacked == {1}
    acks.acknowledge([other])
    assert (broker.unacked, broker.rejected) == (set(), {1})


def test_nothing_is_acknowledged_twice() -> None:
    broker, acks = Broker(), Acks()
    made = deliveries(broker, acks, 3)
    acks.acknowledge(made[:2])
    acks.acknowledge(made)
    acks.reject(made[0])
    assert broker.unacked == set()


def test_rejected_messages_are_queued_again_and_later_acks_stay_cumulative() -> None:
    broker, acks = Broker(), Acks()
    made = deliveries(broker, acks, 10)
    acks.give_back(made[2:5])
    assert broker.requeued == {3, 4, 5}
    acks.acknowledge(made[:2] + made[5:])
    assert (broker.unacked, broker.frames) == (set(), 1)


def test_a_message_given_back_in_part_waits_for_its_other_jobs() -> None:
    broker, acks = Broker(), Acks()
    first, second, third = deliveries(broker, acks, 1, jobs=3)
    acks.give_back([first])
    acks.acknowledge([second])
    assert broker.requeued == set()
    acks.acknowledge([third])
    assert (broker.requeued, broker.unacked) == ({1}, set())


def test_an_unknown_job_does_not_take_those_given_back_along() -> None:
    broker, acks = Broker(), Acks()
    first, second = deliveries(broker, acks, 1, jobs=2)
    acks.reject(first)
    acks.give_back([second])
    assert (broker.requeued, broker.rejected) == ({1}, set())
