"""Every fault of the suite, in one table."""

from __future__ import annotations

from tests.chaos.faults import broker, client, clock, database, messages, network, poison, processes
from tests.chaos.faults.fault import Fault

HAVE: frozenset[str] = frozenset()  # what the product has of what faults need
TABLE: tuple[Fault, ...] = (
    *processes.FAULTS, *broker.FAULTS, *network.FAULTS, *database.FAULTS, *messages.FAULTS, *poison.FAULTS,
    *clock.FAULTS, *client.FAULTS,
)  # fmt: skip
BY_NAME = {fault.name: fault for fault in TABLE}
SHORT = (
    "worker killed", "web killed after commit", "broker wiped", "relay and sweeper killed",
    "half-open relay-postgres", "postgres restarted", "copies messages", "poison that raises",
)  # fmt: skip


def ready(fault: Fault) -> bool:
    return not fault.needs or fault.needs in HAVE


def left_out() -> list[str]:
    """Return a line for each fault that no round takes by itself, and why."""
    return [f"left out: {fault.name} (needs {fault.needs})" for fault in TABLE if not ready(fault)]
