"""Every fault of the suite, in one table."""

from __future__ import annotations

from tests.chaos.faults import (
    broker,
    client,
    clock,
    database,
    failover,
    messages,
    middlemen,
    network,
    pauses,
    poison,
    processes,
)
from tests.chaos.faults.fault import Fault

TABLE: tuple[Fault, ...] = (
    *processes.FAULTS, *pauses.FAULTS, *broker.FAULTS, *network.FAULTS, *database.FAULTS, *failover.FAULTS,
    *messages.FAULTS, *poison.FAULTS, *clock.FAULTS, *client.FAULTS,
    *middlemen.FAULTS,
)  # fmt: skip
BY_NAME = {fault.name: fault for fault in TABLE}
SHORT = (
    "snapshot open for the whole round", "worker killed", "worker stopped past its heartbeat",
    "worker paused in its settle", "relay paused past its lease", "read-only database",
    "failover with lost commits", "web killed after commit", "relay and sweeper killed", "broker wiped",
    "postgres restarted", "malformed messages",
    "poison that raises", "poison that segfaults",
)  # fmt: skip
