"""The worker's part in the circuits: it counts verdicts, opens a failing circuit, and returns held jobs.

Only trouble needs the database: then the worker also reads what the others made of the same version, because
what fails here alone is the fault of this device, and opens no circuit. Where the others have not shown yet
whether they answer it, they get the chance.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError

from jobs import metrics
from jobs.core.access.audit_kinds import AuditKind
from jobs.core.circuits.breaker import Breaker, Finding
from jobs.core.circuits.gate import (
    LONGEST_HOLD_S,
    PROBING_HOLD_S,
    CircuitKey,
    CircuitStatus,
    circuits_of,
)
from jobs.core.circuits.paused_work import NOTHING_PAUSED
from jobs.core.circuits.rest import Elsewhere, RestTimes, sick_at_probe, sick_here
from jobs.core.circuits.tally import EVERY_CLIENT, NOTHING, Tallies, VerdictTally
from jobs.core.messages.envelope import Envelope
from jobs.services.access.audit import note_in
from jobs.services.circuits import statements as circuits
from jobs.services.circuits.paused_rows import read_paused
from jobs.services.reads.version_labels import version_label
from jobs.services.relay import statements as feed
from models_registry.core.options import BreakerOptions

log = logging.getLogger(__name__)
REFRESH_S = 1.0
RESTING = "resting"  # the state in an Event, beside those of circuits
NOBODY = UUID(int=0)


class CircuitMonitor:
    """One worker's view of the circuits, at most a second old, and a breaker for each version."""

    def __init__(
        self, engine: sa.Engine, options: Callable[[int], BreakerOptions], worker: UUID = NOBODY
    ) -> None:
        """Prepare to look; `options` returns, for a version's row id, what opens its circuit."""
        self._engine, self._options, self._worker = engine, options, worker
        self._breakers: dict[int, Breaker] = {}
        self._rests: dict[int, RestTimes] = {}
        self._circuits: dict[CircuitKey, CircuitStatus] = {}
        self._paused = NOTHING_PAUSED
        self._read_at = float("-inf")

    def hold_s(self, version: int, client: int = EVERY_CLIENT) -> float:
        """Return for how long a version's jobs, or one client's, are to be held, 0 where they may run."""
        since_s = self._refresh()
        if self._rest_s(version):
            return PROBING_HOLD_S  # another worker runs them meanwhile
        if self._paused.holds(version, client):
            return PROBING_HOLD_S  # the relay holds them from then on
        left_s = [
            LONGEST_HOLD_S if circuit.left_s is None else circuit.left_s - since_s
            for circuit in circuits_of(version, client, self._circuits)
            if circuit.holds
        ]
        return min(max(0.0, *left_s), LONGEST_HOLD_S) if left_s else 0.0

    def is_open(self, version: int, client: int) -> bool:
        """Return whether a circuit holds a version's jobs of a client, wherever they would run."""
        self._refresh()
        return any(circuit.holds for circuit in circuits_of(version, client, self._circuits))

    def resting(self) -> set[int]:
        """Return the versions that fail on this worker alone, and are left to the others for a while."""
        return {version for version in [*self._rests] if self._rest_s(version)}

    def observe(self, version: int, tallies: Tallies) -> None:
        """Note the verdicts of a batch, on the settle stage's thread; only a change needs the database."""
        try:
            self._observe(version, dict(tallies))
        except (sa.exc.DBAPIError, DjangoDatabaseError) as error:
            log.warning("the circuit of version %d could not be changed: %s", version, type(error).__name__)

    def _observe(self, version: int, tallies: dict[int, VerdictTally]) -> None:
        now = time.monotonic()
        if self._rest_s(version):
            return  # stragglers
        if (version, EVERY_CLIENT) in self._circuits:
            self._probed((version, EVERY_CLIENT), sum(tallies.values(), NOTHING))
            return
        for client in [client for client in tallies if (version, client) in self._circuits]:
            self._probed((version, client), tallies.pop(client))
        if not tallies or self._rested_again(version, now, sum(tallies.values(), NOTHING)):
            return
        for finding in self._breaker(version).observe(now, tallies):
            self._act_on(version, finding)

    def _rested_again(self, version: int, now: float, tally: VerdictTally) -> bool:
        rest = self._rests.get(version)
        if rest is None or not rest.tried(now, tally):
            return False
        if not self._elsewhere(version).served:
            del self._rests[version]  # no other worker would run it, so its circuit decides
            return False
        self._begin_rest(version, "It was tried again here, and failed.")
        return True

    def _probed(self, key: CircuitKey, tally: VerdictTally) -> None:
        version, client = key
        if tally.suspected and circuits.probes_failed(client, tally):
            with self._engine.begin() as connection:
                elsewhere = circuits.probing_elsewhere(connection, key=key, worker=self._worker)
            if elsewhere is not None and sick_at_probe(elsewhere):
                self._begin_rest(version, "Its probes failed here first.")
                return
        with self._engine.begin() as connection:
            changed = circuits.probed(connection, key=key, tally=tally, options=self._options(key[0]))
        self._report(changed)

    def _act_on(self, version: int, finding: Finding) -> None:
        options = self._options(version)
        answers_others = self._breaker(version).answers_others(finding.client)
        if not (finding.of_inputs or answers_others) and sick_here(
            finding, self._elsewhere(version), options
        ):
            self._begin_rest(version, finding.reason)
            return
        with self._engine.begin() as connection:
            changed = circuits.open_circuit(connection, version=version, finding=finding, options=options)
        metrics.CIRCUITS_OPENED.labels(version_label(version)).inc(len(changed))
        self._report(changed)

    def _elsewhere(self, version: int) -> Elsewhere:
        window_s = self._options(version).window_s
        with self._engine.begin() as connection:
            return circuits.elsewhere(connection, version=version, worker=self._worker, window_s=window_s)

    def _begin_rest(self, version: int, reason: str) -> None:
        options = self._options(version)
        rest = self._rests.setdefault(
            version, RestTimes(first_s=options.cool_s, cap_s=options.cap_s, probes=options.probes)
        )
        rest_s = rest.begin(time.monotonic())
        self._breakers.pop(version, None)
        metrics.VERSION_RESTS.labels(version_label(version)).inc()
        log.warning(
            "version %d fails on this worker, and no other shows that it must: it rests here for %.0f s: %s",
            version, rest_s, reason,
        )  # fmt: skip
        worker = str(self._worker)
        with self._engine.begin() as connection:
            note_in(
                connection, AuditKind.CIRCUIT, actor=circuits.BREAKER, version=version, worker=worker,
                state=RESTING, reason=f"It fails on this worker alone. {reason}",
            )  # fmt: skip

    def _rest_s(self, version: int) -> float:
        rest = self._rests.get(version)
        return 0.0 if rest is None else rest.left_s(time.monotonic())

    def _report(self, changed: Sequence[circuits.Changed]) -> None:
        for change in changed:
            whose = f" for client {change.client}" if change.client != EVERY_CLIENT else ""
            log.warning("the circuit of version %d%s changed: %s", change.version, whose, change.reason)
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
                self._paused = read_paused(connection)
        except sa.exc.DBAPIError as error:
            log.warning("the circuits could not be read: %s", type(error).__name__)
        self._read_at = time.monotonic()
        return 0.0


def hold(connection: sa.Connection, envelopes: Sequence[Envelope], hold_s: float) -> bool:
    """Put deliveries back into the outbox, due when their version is tried again; no attempt is charged."""
    feed.give_back(connection, envelopes, absent=True, delay_s=max(hold_s, PROBING_HOLD_S))
    return True
