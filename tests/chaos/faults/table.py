"""Every fault of the suite, in one table."""

from __future__ import annotations

from tests.chaos.faults import broker, client, clock, database, messages, network, poison, processes
from tests.chaos.faults.fault import Fault

TABLE: tuple[Fault, ...] = (
    *processes.FAULTS, *broker.FAULTS, *network.FAULTS, *database.FAULTS, *messages.FAULTS, *poison.FAULTS,
    *clock.FAULTS, *client.FAULTS,
)  # fmt: skip
BY_NAME = {fault.name: fault for fault in TABLE}
SHORT = (
    "worker killed", "web killed after commit", "broker wiped", "relay and sweeper killed",
    "half-open relay-postgres", "postgres restarted", "copies messages", "poison that raises",
)  # fmt: skip
