"""The worker's part in the circuits: it counts verdicts, opens a failing circuit, and returns held jobs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError

from jobs import metrics
from jobs.core.circuits.breaker import Breaker, Tally, tally_of
from jobs.core.circuits.gate import LONGEST_HOLD_S, PROBING_HOLD_S, CircuitStatus
from jobs.core.messages.envelope import Envelope
from jobs.services.circuits import statements as circuits
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.services.relay import statements as feed
from models_registry.core.options import BreakerOptions

log = logging.getLogger(__name__)
REFRESH_S = 1.0


class CircuitMonitor:
    """One worker's view of the circuits, at most a second old, and a breaker for each version."""

    def __init__(self, engine: sa.Engine, options: Callable[[int], BreakerOptions]) -> None:
        """Prepare to look; `options` returns, for a version's row id, what opens its circuit."""
        self._engine, self._options = engine, options
        self._breakers: dict[int, Breaker] = {}
        self._circuits: dict[int, CircuitStatus] = {}
        self._read_at = float("-inf")

    def hold_s(self, version: int) -> float:
        """Return for how long the version's jobs are to be held, 0 where they may run."""
        since_s = self._refresh()
        circuit = self._circuits.get(version)
        if circuit is None or not circuit.holds:
            return 0.0
        left_s = LONGEST_HOLD_S if circuit.left_s is None else circuit.left_s - since_s
        return min(max(left_s, 0.0), LONGEST_HOLD_S)

    def observe(self, version: int, verdicts: Sequence[Verdict], settled: Sequence[Settled]) -> None:
        """Note the verdicts of a batch, on the settle stage's thread; only a change needs the database."""
        tally = tally_of([verdict.outcome for verdict in verdicts], [row.state for row in settled])
        try:
            self._observe(version, tally)
        except (sa.exc.DBAPIError, DjangoDatabaseError) as error:
            log.warning("the circuit of version %d could not be changed: %s", version, type(error).__name__)

    def _observe(self, version: int, tally: Tally) -> None:
        if version in self._circuits:
            self._probed(version, tally)
            return
        reason = self._breaker(version).observe(time.monotonic(), tally)
        if reason is not None:
            self._open(version, reason)

    def _probed(self, version: int, tally: Tally) -> None:
        with self._engine.begin() as connection:
            changed = circuits.probed(
                connection, version=version, tally=tally, options=self._options(version)
            )
        self._report(changed)

    def _open(self, version: int, reason: str) -> None:
        options = self._options(version)
        with self._engine.begin() as connection:
            changed = circuits.open_circuit(connection, version=version, reason=reason, options=options)
        metrics.CIRCUITS_OPENED.labels(str(version)).inc(len(changed))
        self._report(changed)

    def _report(self, changed: Sequence[circuits.Changed]) -> None:
        for change in changed:
            log.warning("the circuit of version %d changed: %s", change.version, change.reason)
        if changed:
            self._read_at = float("-inf")

    def _breaker(self, version: int) -> Breaker:
        if version not in self._breakers:
            self._breakers[version] = Breaker(self._options(version))
        return self._breakers[version]

    def _refresh(self) -> float:
        """Read the circuits again where that is due; return the age of the last read, in seconds."""
        age_s = time.monotonic() - self._read_at
        if age_s < REFRESH_S:
            return age_s
        try:
            with self._engine.begin() as connection:
                self._circuits = circuits.read(connection)
        except sa.exc.DBAPIError as error:
            log.warning("the circuits could not be read: %s", type(error).__name__)
        self._read_at = time.monotonic()
        return 0.0


def hold(connection: sa.Connection, envelopes: Sequence[Envelope], hold_s: float) -> bool:
    """Put deliveries back into the outbox, due when their version is tried again; no attempt is charged."""
    feed.give_back(connection, envelopes, absent=True, delay_s=max(hold_s, PROBING_HOLD_S))
    return True
