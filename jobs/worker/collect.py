"""Collect: deliveries wait here, under one lock, until the policy seals a batch of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Condition

from jobs.core.batching import BatchPolicy, Sealed
from jobs.worker.delivery import Delivery


class Buffer:
    """The ordered buffer: deliveries come in on the connection's thread, batches leave on another."""

    def __init__(self, policy: BatchPolicy[Delivery]) -> None:
        self._policy = policy
        self._changed = Condition()
        self._closed = False
        self._waiting = False
        self.free_at = 0.0

    def add(self, delivery: Delivery) -> None:
        """Put one delivery into the buffer."""
        envelope = delivery.envelope
        with self._changed:
            self._policy.add(
                delivery,
                time.monotonic(),
                key=envelope.version,
                size=envelope.size,
                priority=envelope.priority,
            )
            if self._waiting:
                self._changed.notify()

    def next(self) -> Sealed[Delivery] | None:
        """Wait for the next batch that is due and return it; None once the buffer is closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                sealed = self._policy.take(now, device_free_at=self.free_at)
                if sealed is not None:
                    self.free_at = max(now, self.free_at) + self._predict(sealed.key, sealed.padded_size)
                    return sealed
                self._wait(now)
        return None

    def observe(self, key: Hashable, padded_size: int, seconds: float) -> None:
        """Tell the policy what a run took."""
        with self._changed:
            self._policy.observe(key, padded_size, seconds)

    def observe_claim(self, seconds: float) -> None:
        """Tell the policy what a claim took."""
        with self._changed:
            self._policy.observe_claim(seconds)

    def device_idle(self) -> None:
        """Correct the prediction: the device has nothing to run, now."""
        self._set_free(time.monotonic())

    def device_busy(self, key: Hashable, padded_size: int) -> None:
        """Correct the prediction: the device starts a run of `padded_size`, now."""
        self._set_free(time.monotonic() + self._predict(key, padded_size))

    def discard(self, unwanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Drop and return the deliveries that `unwanted` says yes to."""
        with self._changed:
            return self._policy.discard(unwanted)

    def close(self) -> None:
        """Seal nothing more; what is in the buffer goes back to the broker with the connection."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _set_free(self, at: float) -> None:
        with self._changed:
            self.free_at = at
            self._changed.notify()

    def _predict(self, key: Hashable, padded_size: int) -> float:
        return self._policy.service_time(key).seconds(padded_size)

    def _wait(self, now: float) -> None:
        due = self._policy.due_at(now, device_free_at=self.free_at)
        self._waiting = True
        self._changed.wait(None if due is None else max(due - now, 0.0))
        self._waiting = False
