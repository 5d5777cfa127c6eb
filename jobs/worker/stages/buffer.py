"""Collect: deliveries wait here, behind one lock, until the policy seals a batch of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from threading import Condition

from jobs.core.batching.lane_choice import Lane
from jobs.core.batching.lanes import Lanes
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import SealedBatch
from jobs.core.cascades.mark import without_mark
from jobs.db import database_clock
from jobs.worker.message_delivery import MessageDelivery


class Buffer:
    """The ordered buffer: the connection's thread fills it, the claim's thread takes batches out."""

    def __init__(
        self,
        policy: BatchPolicy[MessageDelivery],
        lanes: int = 1,
        load: Callable[[], float] = lambda: 0.0,
        *,
        worker: Lane = Lane.AUTO,
    ) -> None:
        """Start empty, at a worker of the lane `worker`; `load` returns how busy the platform is, 0 to 1."""
        self._policy, self._load = policy, load
        self._lanes = Lanes(lanes, worker=worker)
        self._changed = Condition()
        self._closed = False
        self._waiting = False

    def add(self, deliveries: Sequence[MessageDelivery]) -> None:
        """Put deliveries into the buffer."""
        with self._changed:
            now = time.monotonic()
            for delivery in deliveries:
                self._add(delivery, now)
            if self._waiting:
                self._changed.notify()

    def _add(self, delivery: MessageDelivery, now: float) -> None:
        envelope = delivery.envelope
        deadline = envelope.deadline
        self._policy.add(
            delivery,
            now,
            key=envelope.version,
            parameters_digest=without_mark(envelope.parameters_digest),
            isolation_group=envelope.isolation_group,
            size=envelope.size,
            priority=envelope.priority,
            client=envelope.client,
            # Unix seconds of the database's clock: hosts may differ, and the claim looks again.
            deadline_s=None if deadline is None else now + deadline - database_clock.now_s(),
            slow=delivery.slow,
        )

    def next(self) -> SealedBatch[MessageDelivery] | None:
        """Wait for the next batch that is due and return it; None once the buffer is closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                self._policy.observe_load(self._load())
                free_at, takes_slow = self._lanes.free_at(now), self._lanes.takes_slow
                sealed = self._policy.take(now, device_free_at=free_at, takes_slow=takes_slow)
                if sealed is not None:
                    _cut(sealed.tokens, self._policy.longest(sealed.key))
                    self._lanes.promise(self._predict(sealed.key, sealed.padded_size), slow=sealed.slow)
                    return sealed
                self._wait(now)
        return None

    def observe(self, key: Hashable, padded_size: int, seconds: float) -> None:
        """Give the policy the time that a run took."""
        with self._changed:
            self._policy.observe(key, padded_size, seconds)

    def expected_s(self, key: Hashable, padded_size: int) -> float:
        """Return the time that a run of `padded_size` is expected to take, in seconds."""
        with self._changed:
            return self._predict(key, padded_size)

    def observe_memory(self, key: Hashable, padded_size: int) -> None:
        """Note for the policy that a run of `padded_size` ran out of memory."""
        with self._changed:
            self._policy.observe_memory(key, padded_size)

    def observe_claim(self, seconds: float) -> None:
        """Give the policy the time that a claim took."""
        with self._changed:
            self._policy.observe_claim(seconds)

    def observe_platform(self, seconds: float) -> None:
        """Give the policy the time that the claim and the settle of a batch took."""
        with self._changed:
            self._policy.observe_platform(seconds)

    def keep(self, key: Hashable, deliveries: Sequence[MessageDelivery]) -> None:
        """Take deliveries of a sealed batch back; no batch of `key` is sealed until `free` is called."""
        with self._changed:
            self._policy.hold(key)
            now = time.monotonic()
            for delivery in deliveries:
                self._add(delivery, now)

    def free(self, key: Hashable) -> None:
        """Let batches of `key` be sealed again."""
        with self._changed:
            self._policy.free(key)
            self._changed.notify()

    def withdraw(self) -> None:
        """Note that the batch that was sealed last will not run."""
        with self._changed:
            self._lanes.withdraw()
            self._changed.notify()

    def started(self, lane: int, key: Hashable, padded_size: int) -> None:
        """Note that `lane` begins the batch that was sealed first."""
        with self._changed:
            self._lanes.start(lane, time.monotonic(), self._predict(key, padded_size))
            self._changed.notify()

    def ended(self, lane: int) -> None:
        """Note that `lane` has nothing to run."""
        with self._changed:
            self._lanes.end(lane)
            self._changed.notify()

    def discard(self, unwanted: Callable[[MessageDelivery], bool]) -> list[MessageDelivery]:
        """Drop and return the deliveries for which `unwanted` is true."""
        with self._changed:
            return self._policy.discard(unwanted)

    @property
    def is_empty(self) -> bool:
        """Return whether no delivery waits here."""
        with self._changed:
            return not self._policy

    def close(self) -> None:
        """Seal nothing more; the broker takes the buffer's deliveries back when the connection closes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _predict(self, key: Hashable, padded_size: int) -> float:
        return self._policy.service_time(key).seconds(padded_size)

    def _wait(self, now: float) -> None:
        free_at, takes_slow = self._lanes.free_at(now), self._lanes.takes_slow
        due = self._policy.due_at(now, device_free_at=free_at, takes_slow=takes_slow)
        self._waiting = True
        self._changed.wait(None if due is None else max(due - now, 0.0))
        self._waiting = False


def _cut(deliveries: Sequence[MessageDelivery], longest: float) -> None:
    """Let no input count as longer than what the model reads of it, or at all where nothing is padded."""
    for delivery in deliveries:
        delivery.units = int(min(delivery.units, longest))
