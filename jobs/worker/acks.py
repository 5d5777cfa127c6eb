"""Acks: each delivery once, and in as few frames as order allows.

One cumulative ack covers every delivery up to a tag, so it is sent only up to the first one that is not
done; those beyond it are acknowledged singly. Used on the connection's thread alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.worker.delivery import Delivery


class Acks:
    """The outstanding delivery tags of one channel, in the order they came: that of their numbers."""

    def __init__(self) -> None:
        self._outstanding: dict[int, None] = {}

    def received(self, delivery: Delivery) -> None:
        """Note a delivery that will be acknowledged or rejected later."""
        self._outstanding[delivery.message.delivery_tag] = None

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Tell the broker that `deliveries` are done with."""
        done = {d.message.delivery_tag: d for d in deliveries if not d.acknowledged}
        prefix = self._prefix(done)
        if prefix:
            last = done.pop(prefix[-1])
            for tag in prefix[:-1]:
                done.pop(tag).settled_in_bulk()
            last.message.ack(multiple=True)
        for tag, delivery in done.items():
            self._outstanding.pop(tag, None)
            delivery.message.ack()

    def reject(self, delivery: Delivery) -> None:
        """Send the delivery to its queue's dead-letter queue."""
        if not delivery.acknowledged:
            self._outstanding.pop(delivery.message.delivery_tag, None)
            delivery.message.reject(requeue=False)

    def _prefix(self, done: dict[int, Delivery]) -> list[int]:
        prefix = []
        for tag in self._outstanding:
            if tag not in done:
                break
            prefix.append(tag)
        for tag in prefix:
            del self._outstanding[tag]
        return prefix
