"""The consumer of every worker here: Celery's, but for two things that a cluster of brokers shows."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

RETRY = {"interval_start": 1.0, "interval_step": 1.0, "interval_max": 3.0}  # seconds
DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class UndelayedConsumer(Consumer):
    """Celery's consumer, which connects again within seconds and makes no queues for delays."""

    class Blueprint(Consumer.Blueprint):
        """Celery's steps without the queues for delays, which it makes beside quorum queues."""

        # What has to wait waits in Postgres, and no user of the broker may declare those queues.
        default_steps = [step for step in Consumer.Blueprint.default_steps if step != DELAYED_DELIVERY]

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once it is made, with at most 3 s between two tries; Celery has 30."""
        conn.ensure_connection = partial(conn.ensure_connection, **RETRY)
        return super().ensure_connected(conn)
