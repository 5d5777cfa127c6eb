"""The live page's tables of clients, workers, relays, and of the parts of the platform."""

from __future__ import annotations

from jobs.core.operations import amounts
from jobs.core.operations.operations_reading import (
    ClientReading,
    Part,
    Reading,
    RelayReading,
    WorkerReading,
)
from jobs.core.operations.page_table import Cell, Column, Level, Row, Table

_CLIENTS = [
    Column("client", "", is_text=True),
    Column("waiting", "Jobs that wait, at the last count."),
    Column("out", "Jobs that ended, a second."),
    Column("p50", "Half of its jobs took less."),
    Column("p95", "95 of 100 of its jobs took less."),
    Column("p99", "99 of 100 of its jobs took less."),
]
_WORKERS = [
    Column("worker", "", is_text=True),
    Column("device", "", is_text=True),
    Column("serves", "The models that it takes jobs of.", is_text=True),
    Column("loaded", "The versions that it holds or loads.", is_text=True),
    Column("lanes", "How many batches can run at once."),
    Column("in flight", "Batches that it has claimed and not yet settled."),
    Column("out", "Jobs that it ended, a second."),
    Column("p95", "95 of 100 of its jobs took less."),
    Column("memory", "Memory of the device that is used, of all."),
    Column("heartbeat", "How long ago it last wrote that it lives."),
]
_RELAYS = [
    Column("relay", "", is_text=True),
    Column("queues", "The queues that it feeds.", is_text=True),
    Column("lease", "For how long it holds them, unless it renews its lease."),
]
_PARTS = [
    Column("part", "", is_text=True),
    Column("state", "", is_text=True),
    Column("what is known", "", is_text=True),
    Column("age", "How old this is."),
]


def clients_table(reading: Reading) -> Table:
    """Return the clients with most to do."""
    rows = [_client(client) for client in reading.clients]
    return Table("clients", "Clients", _CLIENTS, rows, "No client has had a job lately.")


def _client(client: ClientReading) -> Row:
    cells = [
        Cell(client.client, "", client.href),
        Cell(amounts.count(client.waiting)),
        Cell(amounts.rate(client.out_per_s)),
        Cell(amounts.span(client.total.p50_s)),
        Cell(amounts.span(client.total.p95_s)),
        Cell(amounts.span(client.total.p99_s)),
    ]
    return Row(client.client, cells)


def workers_table(reading: Reading) -> Table:
    """Return the workers that have not ended."""
    rows = [_worker(worker) for worker in reading.workers]
    return Table("workers", "Workers", _WORKERS, rows, "No worker runs.")


def _worker(worker: WorkerReading) -> Row:
    heard: Level = "" if worker.alive else "red"
    loaded = ", ".join(v.version if v.state == "ready" else f"{v.version} ({v.state})" for v in worker.loaded)
    failed = any(version.state == "failed" for version in worker.loaded)
    cells = [
        Cell(worker.node, heard, worker.href),
        Cell(worker.device or amounts.UNKNOWN),
        Cell(", ".join(worker.models) or amounts.UNKNOWN),
        Cell(loaded or amounts.UNKNOWN, "red" if failed else ""),
        Cell(amounts.count(worker.lanes)),
        Cell(_in_flight(worker)),
        Cell(amounts.rate(worker.out_per_s)),
        Cell(amounts.span(worker.total.p95_s)),
        Cell(_memory(worker)),
        Cell(f"{amounts.span(worker.heartbeat_age_s)} ago", heard),
    ]
    return Row(worker.href, cells)


def _in_flight(worker: WorkerReading) -> str:
    return f"{worker.batches} ({worker.batch_jobs} jobs)" if worker.batches else "0"


def _memory(worker: WorkerReading) -> str:
    if worker.memory_used_bytes is None or worker.memory_total_bytes is None:
        return amounts.UNKNOWN
    return f"{amounts.volume(worker.memory_used_bytes)} of {amounts.volume(worker.memory_total_bytes)}"


def relays_table(reading: Reading) -> Table:
    """Return the relays."""
    rows = [_relay(relay) for relay in reading.relays]
    return Table("relays", "Relays", _RELAYS, rows, "No relay runs: nothing is published.")


def _relay(relay: RelayReading) -> Row:
    held: Level = "" if relay.alive else "red"
    lease = f"{amounts.span(relay.left_s)} left" if relay.left_s > 0 else "ended"
    return Row(
        relay.label, [Cell(relay.label), Cell(", ".join(relay.queues) or amounts.UNKNOWN), Cell(lease, held)]
    )


def parts_table(reading: Reading) -> Table:
    """Return whether each part of the platform does its work."""
    rows = [_part(name, part) for name, part in reading.parts.items()]
    return Table("parts", "Broker, database and loops", _PARTS, rows, "Nothing is known.")


def _part(name: str, part: Part) -> Row:
    state = Cell("works", "good") if part.ok else Cell("does not work", "red")
    age = amounts.UNKNOWN if part.age_s is None else f"{amounts.span(part.age_s)} old"
    return Row(name, [Cell(name), state, Cell(part.text), Cell(age, "" if part.ok else "amber")])
