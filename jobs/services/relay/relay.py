"""The relay: publishes the outbox queue by queue, and divides the queues with other relays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs import metrics
from jobs.broker import broker_queues
from jobs.broker.publisher import ConfirmingPublisher
from jobs.core.channels import EVERY_QUEUE, SUBMITTED
from jobs.core.circuits.breaker import CircuitState
from jobs.core.circuits.gate import CircuitKey, CircuitStatus
from jobs.core.circuits.paused_work import NOTHING_PAUSED
from jobs.core.circuits.tally import EVERY_CLIENT
from jobs.core.errors import BrokerUnavailableError
from jobs.core.outage_kinds import OutageKind
from jobs.core.queue_names import is_slow, model_of_queue
from jobs.core.relay.slow_rows import SlowFrom
from jobs.core.retry.budget import RetryBudget
from jobs.counting.dropped_series import drop
from jobs.db import leases
from jobs.db.listen_loop import IDLE_S, ListenLoop
from jobs.db.preflight import check_database
from jobs.services.circuits import statements as circuits
from jobs.services.circuits.outages import OutageLog
from jobs.services.circuits.pause_work import let_go_resumed
from jobs.services.circuits.paused_rows import read_paused
from jobs.services.dead_letters.letter_counter import LetterCounter
from jobs.services.reads.version_labels import version_label
from jobs.services.relay.feeder import QueueFeeder
from jobs.services.relay.relay_gaps import RelayGaps
from jobs.services.relay.resting_queues import RestingQueues
from jobs.services.relay.silent_workers import AGAIN_S, queues_of_silent, recall_from_silent
from jobs.services.relay.slow_lane import read_slow_from

log = logging.getLogger(__name__)

REFRESH_S = 2.0
CIRCUITS_S = 1.0
MOST_RECALLED = 2_000  # at once from a silent worker
LET_GO = 10_000  # held jobs that are due at once when their circuit closes; others within their hold
POLL_S = 0.005
BLOCKED_S = 0.1  # between two looks whether the broker takes messages again
_LEVEL = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


class Relay(ListenLoop):
    """Feeds its part of the queues until stopped; survives outages of the broker and the database.

    It ends with a TopologyMismatchError, if the broker's queues differ from ours, or a DatabaseUnusableError.
    """

    office, alone = leases.RELAY, False
    channels = (SUBMITTED,)
    first_backoff_s, longest_backoff_s = 0.1, 2.0

    def __init__(
        self,
        *,
        broker_url: str,
        depth: int,
        queues: Callable[[], Sequence[str]],
        max_batch: Callable[[int], int],
        budget: Callable[[int], RetryBudget] = lambda _version: RetryBudget(),
        stop: Event,
    ) -> None:
        """Prepare to feed the queues that `queues()` returns, which is called every few seconds.

        `max_batch` returns the largest batch of a version's row id, `budget` makes its retry budget.
        """
        super().__init__(stop=stop)
        self._publisher = ConfirmingPublisher(broker_url, stopping=stop.is_set)
        self._queues = queues
        self._max_batch, self._budget = max_batch, budget
        self._depth, self._outages, self._gaps = depth, OutageLog(), RelayGaps()
        self._feeders: dict[str, QueueFeeder] = {}
        self._forget()

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors of database and broker, after which it goes on with a new session."""
        return (*super().interruptions(), BrokerUnavailableError, DjangoDatabaseError)

    def prepare(self) -> None:
        """End the relay, with what to set, where the database cannot be worked with; connect to the broker.

        The queues are divided among the relays that are registered, so one that the broker does not let in
        must not be: its part would be fed by nobody.
        """
        check_database()
        self._publisher.open()

    def opened(self, session: sa.Connection) -> None:
        """Record what was away until now, and whether a relay was."""
        self._outages.back(session)
        self._gaps.opened(session)

    def interrupted(self, error: Exception) -> None:
        """Record that the broker is away, or remember it of the database."""
        if not isinstance(error, leases.LeaseLostError):
            self._gaps.away()
            is_broker = isinstance(error, BrokerUnavailableError)
            self._outages.lost(OutageKind.BROKER if is_broker else OutageKind.DATABASE)

    def closed(self) -> None:
        """Close the broker's connection, and forget the owned queues."""
        connection.close()  # after a failover the models would be read from the old primary for ever
        self._publisher.close()
        self._forget()

    def _forget(self) -> None:
        self._declared = frozenset[str]()
        for queue in self._feeders:
            drop(metrics.OUTBOX_IN_FLIGHT, queue)
        self._feeders = {}
        self._refresh_at = self._circuits_at = 0.0
        self._awake = set[str]()
        self._resting, self._letters = RestingQueues(), LetterCounter(self._publisher)
        self._circuits: dict[CircuitKey, CircuitStatus] = {}
        self._paused = NOTHING_PAUSED
        self._slow_from: SlowFrom = {}
        self._recall_at: dict[str, float] = {}
        metrics.RELAY_QUEUES.set(0)

    def step(self, session: sa.Connection, payloads: Sequence[str] = ()) -> None:
        """Look at the owned queues that were signalled or have work, and now and then at all others."""
        now = self._clock()
        self._gaps.mark(session)
        # In an alarm the broker reads nothing: even a declaration would time out and cost the connection.
        if self._publisher.listen_while_blocked():
            self._outages.note(session, OutageKind.BROKER)
            return
        self._awake |= {*payloads, *self._resting.came_due(now)} & self._feeders.keys()
        if EVERY_QUEUE in payloads:
            self._resting.look_at = 0.0
        self._feed(session, now)
        if now >= self._refresh_at:
            self._refresh(session)
            self._refresh_at = now + REFRESH_S
        if now >= self._circuits_at:
            self._look_at_pauses(session)
            self._look_at_circuits(session)
            self._look_at_silent_workers(session, now)
            self._circuits_at = now + CIRCUITS_S
        if now >= self._resting.look_at:
            self._look_at_resting(session, now)
            self._feed(session, now)
        if any(feeder.undeclared for feeder in self._feeders.values()):
            self._declared, self._refresh_at = frozenset(), now

    def _feed(self, session: sa.Connection, now: float) -> None:
        """Feed the queues that are awake; those where nothing is left rest from now on."""
        for queue in sorted(self._awake):
            leases.keep(session)
            self._feeders[queue].feed(session, now)
        self._awake = {queue for queue in self._awake if not self._feeders[queue].rests}

    def _look_at_resting(self, session: sa.Connection, now: float) -> None:
        leases.keep(session)
        found = self._resting.look(session, self._feeders, awake=self._awake)
        self._awake |= found.due
        resting = {queue: feeder for queue, feeder in self._feeders.items() if queue not in self._awake}
        self._awake |= self._resting.look_at_the_past(session, resting)
        for queue in sorted(found.dead):
            leases.keep(session)
            if self._feeders[queue].post_dead_letters(session):
                self._resting.look_at = now
        leases.keep(session)
        self._letters.count(session, [queue for queue in self._feeders if not is_slow(queue)], now)

    def _refresh(self, session: sa.Connection) -> None:
        queues = frozenset(self._queues())
        if fresh := queues - self._declared:
            broker_queues.declare(self._publisher.connection, sorted(fresh))
        self._declared = queues
        self._slow_from = read_slow_from(session) if any(map(is_slow, queues)) else {}
        owned = self._divide(session, sorted(queues))
        for queue in self._feeders.keys() - owned:  # another relay shows it from now on
            drop(metrics.OUTBOX_IN_FLIGHT, queue)
        self._feeders = {queue: self._feeder(session, queue) for queue in sorted(owned)}
        self._awake &= owned
        metrics.RELAY_QUEUES.set(len(owned))

    def _divide(self, session: sa.Connection, queues: Sequence[str]) -> set[str]:
        holder = leases.holder_of(session)
        return set(queues) if holder is None else holder.divide(queues, self._feeders)

    def _look_at_pauses(self, session: sa.Connection) -> None:
        before, self._paused = self._paused, read_paused(session)
        if before != self._paused:
            let_go_resumed(session, before, self._paused, lambda: leases.keep(session))
            self._resting.look_at = 0.0

    def _look_at_circuits(self, session: sa.Connection) -> None:
        previous, self._circuits = self._circuits, circuits.read(session)
        if any(circuit.cooled for circuit in self._circuits.values()):
            with leases.fenced(session):
                circuits.begin_probing(session)
            self._circuits = circuits.read(session)
        for version, client in previous.keys() - self._circuits.keys():
            with leases.fenced(session):
                circuits.let_go(session, version=version, client=client, most=LET_GO)
        for version in {version for version, _ in {**previous, **self._circuits}}:
            self._show_circuits(version)

    def _show_circuits(self, version: int) -> None:
        circuit, name = self._circuits.get((version, EVERY_CLIENT)), version_label(version)
        metrics.CIRCUIT_STATE.labels(name).set(_LEVEL[circuit.state] if circuit else 0)
        clients = sum(of == version and client != EVERY_CLIENT for of, client in self._circuits)
        metrics.CLIENTS_HELD.labels(name).set(clients)

    def _look_at_silent_workers(self, session: sa.Connection, now: float) -> None:
        silent = set(queues_of_silent(session))
        for queue in [queue for queue in self._feeders if model_of_queue(queue) in silent]:
            if now < self._recall_at.get(queue, 0.0):
                continue
            self._recall_at[queue] = now + AGAIN_S
            if recalled := recall_from_silent(session, queue, most=MOST_RECALLED):
                log.warning("a worker of %s is silent: %d jobs are published again", queue, recalled)

    def _feeder(self, session: sa.Connection, queue: str) -> QueueFeeder:
        feeder = self._feeders.get(queue)
        if feeder is not None and not feeder.undeclared:
            return feeder
        feeder = QueueFeeder(
            queue,
            depth=self._depth,
            publisher=self._publisher,
            max_batch=self._max_batch,
            budget=self._budget,
            circuits=lambda: self._circuits,
            paused=lambda: self._paused,
            slow_from=lambda: self._slow_from,
        )
        leases.keep(session)
        feeder.recover(session)
        self._awake.add(queue)
        return feeder

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next look; while a queue is awake, it is polled."""
        if self._publisher.blocked:
            return BLOCKED_S
        if self._awake:
            return POLL_S
        due_at = min(self._refresh_at, self._circuits_at, self._resting.next_at)
        return min(max(due_at - self._clock(), 0.0), IDLE_S)
