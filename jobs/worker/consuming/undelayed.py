"""The consumer of every worker here: Celery's, but for what a cluster of brokers and an operator show."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

from jobs.worker import process_marks

RETRY = {"interval_start": 1.0, "interval_step": 1.0, "interval_max": 3.0}  # seconds
DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class UndelayedConsumer(Consumer):
    """Celery's consumer: it connects again within seconds, makes no queues for delays, and marks its work."""

    _marking: Any = None

    class Blueprint(Consumer.Blueprint):
        """Celery's steps without the queues for delays, which it makes beside quorum queues."""

        # What has to wait waits in Postgres, and no user of the broker may declare those queues.
        default_steps = [step for step in Consumer.Blueprint.default_steps if step != DELAYED_DELIVERY]

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once it is made, with at most 3 s between two tries; Celery has 30."""
        conn.ensure_connection = partial(conn.ensure_connection, **RETRY)
        return super().ensure_connected(conn)

    def on_ready(self) -> None:
        """Leave a mark now, and while the connection's loop turns: its queues are consumed."""
        super().on_ready()
        if self.hub is not None:
            if self._marking is not None:
                self._marking.cancel()
            self._mark()
            self._marking = self.hub.call_repeatedly(process_marks.CONSUMED_EVERY_S, self._mark)

    def _mark(self) -> None:
        process_marks.leave(str(self.hostname))
