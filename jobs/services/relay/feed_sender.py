"""Sends the rows of one queue to the broker: several in a message under backlog, and an outcome for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from jobs import metrics, tracing
from jobs.broker.job_message import outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.core.relay.bundled_rows import bundles
from jobs.core.relay.publish_policy import FastSide
from jobs.metrics.bulk_observe import observe_many
from jobs.services.relay.statements import DueRow
from jobs.services.relay.traced_publish import TracedPublish

MOST_BUNDLED = 32  # jobs in a message that another relay may have published


class FeedSender:
    """Publishes; `largest` is the largest batch of a version that it sent, `bundled` the largest message."""

    def __init__(self, queue: str, publisher: ConfirmingPublisher, max_batch: Callable[[int], int]) -> None:
        """Prepare to send to the queue; `max_batch` returns the largest batch of a version's row id."""
        self._queue, self._publisher, self._max_batch = queue, publisher, max_batch
        self._fast = FastSide()
        self.largest, self.bundled = 1, MOST_BUNDLED

    def send(self, rows: Sequence[DueRow]) -> list[Outcome]:
        """Publish the rows and count them; return an outcome for each row; BrokerUnavailableError."""
        outcomes = self._published(rows)
        for outcome, count in Counter(outcomes).items():
            metrics.RELAY_PUBLISHED.labels(self._queue, outcome.value).inc(count)
        observe_many(metrics.RELAY_LAG, [max(0.0, row.late_s) for row in rows])
        return outcomes

    def _published(self, rows: Sequence[DueRow]) -> list[Outcome]:
        self.largest = max(self.largest, *(self._max_batch(row.version) for row in rows))
        sharing = list(bundles(rows, self._fast.choose(rows), kind=_kind, max_batch=self._max_batch))
        self.bundled = max(self.bundled, *(len(bundle) for bundle, _ in sharing))
        traced = TracedPublish(self._queue, rows) if tracing.on else None
        messages = [
            outgoing(
                self._queue,
                [row.envelope for row in bundle],
                fast=fast,
                traceparent=traced.header(bundle) if traced else None,
            )
            for bundle, fast in sharing
        ]
        published = zip(sharing, self._publisher.publish(messages), strict=True)
        outcomes = [outcome for (bundle, _), outcome in published for _ in bundle]
        if traced:
            traced.end(outcomes.count(Outcome.CONFIRMED), len(outcomes))
        return outcomes


def _kind(row: DueRow) -> tuple[int, int]:
    return row.envelope.version, row.envelope.priority
