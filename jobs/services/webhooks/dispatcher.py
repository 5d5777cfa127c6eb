"""The dispatcher: sends a Celery task for every webhook whose job has ended, again where the task is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from uuid import UUID

import sqlalchemy as sa

from jobs.broker.webhook_task import WebhookAttempt, ask
from jobs.core.channels import SETTLED
from jobs.core.errors import BrokerUnavailableError
from jobs.db import leases
from jobs.db.listen_loop import ListenLoop, ids
from jobs.services.webhooks import statements as webhooks

GAP_S = 0.02  # a busy worker settles a hundred batches a second: a step handles several of them
MOST_LOOKED_AT, MOST_TAKEN = 2_000, 500
_FIRST = UUID(int=0)


class WebhookDispatcher(ListenLoop):
    """Sends the tasks that deliver webhooks, until stopped; one process at a time does."""

    office = leases.DISPATCHER
    channels = (SETTLED,)
    gap_s = GAP_S

    def __init__(
        self,
        *,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
        ask: Callable[[Iterable[WebhookAttempt]], None] = ask,
    ) -> None:
        """Prepare to dispatch through `ask`; `clock` is monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._after, self._ask = _FIRST, ask

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which the loop goes on a little later."""
        return (*super().interruptions(), BrokerUnavailableError)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:
        """Make the webhooks of notified jobs due, now and then those of others; ask for their tasks."""
        jobs, batches = ids(payloads, "job"), ids(payloads, "batch")
        if jobs or batches:
            with leases.fenced(session):
                webhooks.arm(session, jobs=jobs, batches=batches)
        if self.time_to_look():
            with leases.fenced(session):
                self._after = webhooks.arm_next(session, after=self._after, most=MOST_LOOKED_AT) or _FIRST
        while not self._stop.is_set() and (due := self._take(session)):
            self._ask(due)
            leases.keep(session)

    def _take(self, session: sa.Connection) -> list[WebhookAttempt]:
        with leases.fenced(session):
            return webhooks.take(session, MOST_TAKEN)
