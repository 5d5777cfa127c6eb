"""A worker's inbox of orders to load and unload models: rows in Postgres that name this incarnation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from uuid import UUID

import sqlalchemy as sa

from jobs.core.channels import ORDERED
from jobs.db.listen_loop import ListenLoop
from jobs.services.lifecycle.order_models import OrderRow, take_orders

LOOK_S = 5.0


class OrderInbox(ListenLoop):
    """Hands each new order to `begin`, which must return at once, until stopped."""

    channels = (ORDERED,)

    def __init__(self, worker: UUID, begin: Callable[[OrderRow], None], *, stop: Event) -> None:
        """Prepare to read the orders to `worker`."""
        super().__init__(stop=stop)
        self._worker, self._begin = worker, begin

    @property
    def pause_s(self) -> float:
        """Return the seconds after which an order whose notification was lost is read."""
        return LOOK_S

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # the rows say what is new
        """Begin the orders that came."""
        for order in take_orders(session, self._worker):
            self._begin(order)
