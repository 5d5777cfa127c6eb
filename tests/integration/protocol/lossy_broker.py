"""The broker of the protocol's world: it loses some messages, doubles others, and keeps no order."""

from __future__ import annotations

import contextlib
import queue
from collections import Counter
from collections.abc import Sequence

from jobs.core.messages.envelope import Envelope

LOSS, DOUBLE = 0.05, 0.10


class Broker:
    """Messages in no order; `counts` has how many were lost, doubled or came once."""

    def __init__(self) -> None:
        # Not a SimpleQueue: with several readers its `get` may wait for ever after its timeout.
        self._messages: queue.Queue[Envelope] = queue.Queue()
        self.counts: Counter[str] = Counter()

    def publish(self, envelope: Envelope, chance: float) -> None:
        copies = 0 if chance < LOSS else 2 if chance > 1 - DOUBLE else 1
        self.counts[("lost", "once", "doubled")[copies]] += 1
        for _ in range(copies):
            self._messages.put(envelope)

    def requeue(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            self._messages.put(envelope)

    def take(self, most: int) -> list[Envelope]:
        envelopes: list[Envelope] = []
        with contextlib.suppress(queue.Empty):
            while len(envelopes) < most:
                envelopes.append(self._messages.get(timeout=0.02))
        return envelopes
