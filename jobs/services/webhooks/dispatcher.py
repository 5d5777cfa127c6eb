"""The dispatcher: sends a Celery task for every webhook whose job has ended, again where the task is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event
from uuid import UUID

import sqlalchemy as sa

from jobs.broker.webhook_task import WebhookAttempt, WebhookTasks
from jobs.core.channels import SETTLED
from jobs.core.errors import BrokerUnavailableError
from jobs.core.whole_looks import WholeLooks
from jobs.db import leases
from jobs.db.listen_loop import ListenLoop, ids
from jobs.services.webhooks import statements as webhooks

log = logging.getLogger(__name__)

GAP_S = 0.02  # a busy worker settles a hundred batches a second: a step handles several of them
QUICK_S = 0.05  # once a second
REFUSED_DELAY_S = 1.0  # for example where the broker's alarm lets no message in
MOST_LOOKED_AT, MOST_TAKEN = 2_000, 250
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
        tasks: WebhookTasks | None = None,
    ) -> None:
        """Prepare to dispatch through `tasks`; `clock` is monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._after, self._tasks = _FIRST, tasks or WebhookTasks(stopping=stop.is_set)
        self._checks, self._dues = WholeLooks(), WholeLooks()
        self._others = WholeLooks(quick_s=QUICK_S)
        self._at_share = True

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which the loop goes on a little later."""
        return (*super().interruptions(), BrokerUnavailableError)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:
        """Make the webhooks of notified jobs due, now and then those of others; ask for their tasks."""
        jobs, batches = ids(payloads, "job"), ids(payloads, "batch")
        waits = bool(jobs or batches) and self._any_waits(session)
        if waits:
            with leases.fenced(session):
                webhooks.arm(session, jobs=jobs, batches=batches)
        if self.time_to_look():
            self._look_around(session)
        elif payloads and not waits:
            return  # most batches have no webhook, and a busy worker settles a hundred a second
        self._send_due(session)

    def _any_waits(self, session: sa.Connection) -> bool:
        """Return whether any webhook waits for its job; True where it takes long to find out."""
        began = self._clock()
        if not self._checks.due(began):
            return True
        waits = webhooks.any_waits(session)
        self._checks.took(self._clock() - began, began=began)
        return waits

    def _look_around(self, session: sa.Connection) -> None:
        began = self._clock()
        if self._others.due(began) and self._any_waits(session):
            with leases.fenced(session):
                self._after = webhooks.arm_next(session, after=self._after, most=MOST_LOOKED_AT) or _FIRST
            self._others.took(self._clock() - began, began=began)

    def closed(self) -> None:
        """Drop the broker's connection with the session's: another process may dispatch now."""
        self._tasks.close()

    def _send_due(self, session: sa.Connection) -> None:
        began = self._clock()
        since_s, whole = self._dues.since_s(began), self._dues.due(began)
        look = webhooks.any_due(session, since_s=since_s)  # to take nothing costs four calls and a flush
        due = self._take(session, since_s) if look.due else []
        if whole:
            self._dues.took(self._clock() - began, began=began)
        taken = bool(due)
        while due:
            self._send(session, due)
            if self._stop.is_set():
                return
            leases.keep(session)
            due = self._take(session, since_s)
        if taken or self._at_share:
            self._at_share = webhooks.any_at_share(session)
        if not self._at_share:
            self._dues.emptied(look.now_s)

    def _take(self, session: sa.Connection, since_s: float) -> list[WebhookAttempt]:
        with leases.fenced(session):
            return webhooks.take(session, MOST_TAKEN, since_s=since_s)

    def _send(self, session: sa.Connection, due: Sequence[WebhookAttempt]) -> None:
        try:
            self._tasks.open()
            leases.keep(session)  # a broker that does not answer takes a lease's time to say so
            sent = self._tasks.send(due)
        except BrokerUnavailableError:
            with leases.fenced(session):
                webhooks.give_back(session, due, delay_s=0.0)
            raise
        unsent = sorted(set(due) - set(sent))
        with leases.fenced(session):
            webhooks.count_sent(session, sent)
            webhooks.give_back(session, unsent, delay_s=REFUSED_DELAY_S)
        if unsent:
            log.warning("the broker did not take %d of %d tasks for webhooks", len(unsent), len(due))
