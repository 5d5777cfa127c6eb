"""Acks: each message once, when the last of its jobs is done, in as few frames as their order allows.

One cumulative ack covers every message up to a tag, so it is sent only up to the first message that is not
done; those beyond it are acknowledged one by one. Used on the connection's thread alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.worker.message_delivery import MessageDelivery, Parcel


class Acks:
    """The outstanding delivery tags of one channel, in the order of arrival and of their numbers."""

    def __init__(self) -> None:
        self._outstanding: dict[int, None] = {}
        self._unwanted = set[int]()

    def received(self, parcel: Parcel) -> None:
        """Note a message that will be acknowledged or rejected later."""
        self._outstanding[parcel.tag] = None

    def acknowledge(self, deliveries: Iterable[MessageDelivery]) -> None:
        """Note that `deliveries` are done, and acknowledge the messages whose jobs are all done."""
        ended = [parcel for delivery in deliveries if (parcel := delivery.finish()) is not None]
        self._acknowledge({parcel.tag: parcel for parcel in ended if not self._refused(parcel)})

    def reject(self, delivery: MessageDelivery) -> None:
        """Send the delivery's message to its queue's dead-letter queue, once its other jobs are done."""
        delivery.parcel.unknown = True
        self.acknowledge([delivery])

    def give_back(self, deliveries: Iterable[MessageDelivery]) -> None:
        """Put the deliveries' messages back into their queue, each once its other jobs are done."""
        returned = list(deliveries)
        self._unwanted.update(delivery.parcel.tag for delivery in returned)
        self.acknowledge(returned)

    def _refused(self, parcel: Parcel) -> bool:
        """Reject the message where it is unknown or unwanted; return whether it was."""
        unwanted = parcel.tag in self._unwanted
        if parcel.unknown or unwanted:
            self._outstanding.pop(parcel.tag, None)
            self._unwanted.discard(parcel.tag)
            # Of an unwanted message, the next worker finds an unknown job again.
            parcel.message.reject(requeue=unwanted)
            return True
        return False

    def _acknowledge(self, done: dict[int, Parcel]) -> None:
        prefix = self._prefix(done)
        if prefix:
            last = done.pop(prefix[-1])
            for tag in prefix[:-1]:
                done.pop(tag).acknowledge_in_bulk()
            last.message.ack(multiple=True)
        for tag, parcel in done.items():
            self._outstanding.pop(tag, None)
            parcel.message.ack()

    def _prefix(self, done: dict[int, Parcel]) -> list[int]:
        prefix = []
        for tag in self._outstanding:
            if tag not in done:
                break
            prefix.append(tag)
        for tag in prefix:
            del self._outstanding[tag]
        return prefix
