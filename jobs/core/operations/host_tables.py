"""The live page's tables of clients, workers, relays, and of the parts of the platform."""

from __future__ import annotations

from jobs.core.operations import amounts
from jobs.core.operations.operations_reading import (
    ClientReading,
    PartReading,
    Reading,
    RelayReading,
    WorkerReading,
)
from jobs.core.operations.page_table import Level, PageCell, PageColumn, PageRow, PageTable

_CLIENTS = [
    PageColumn("client", "", is_text=True),
    PageColumn("waiting", "Jobs that wait, at the last count."),
    PageColumn("out", "Jobs that ended, a second."),
    PageColumn("p50", "Half of its jobs took less."),
    PageColumn("p95", "95 of 100 of its jobs took less."),
    PageColumn("p99", "99 of 100 of its jobs took less."),
]
_WORKERS = [
    PageColumn("worker", "", is_text=True),
    PageColumn("zone", "Where it runs, by its setting ZONE.", is_text=True),
    PageColumn("device", "", is_text=True),
    PageColumn("serves", "The models that it takes jobs of.", is_text=True),
    PageColumn("loaded", "The versions that it holds or loads.", is_text=True),
    PageColumn("lanes", "How many batches can run at once, and whether it takes the jobs of one lane alone."),
    PageColumn("in flight", "Batches that it has claimed and not yet settled."),
    PageColumn("out", "Jobs that it ended, a second."),
    PageColumn("p95", "95 of 100 of its jobs took less."),
    PageColumn("memory", "The memory of its GPU that is used, by whichever process, of all."),
    PageColumn("heartbeat", "How long ago it last wrote that it lives."),
]
_RELAYS = [
    PageColumn("relay", "", is_text=True),
    PageColumn("queues", "The queues that it feeds.", is_text=True),
    PageColumn("lease", "For how long it holds them, unless it renews its lease."),
]
_PARTS = [
    PageColumn("part", "", is_text=True),
    PageColumn("state", "", is_text=True),
    PageColumn("what is known", "", is_text=True),
    PageColumn("age", "How old this is."),
]


def clients_table(reading: Reading) -> PageTable:
    """Return the clients with most to do."""
    rows = [_client(client) for client in reading.clients]
    return PageTable("clients", "Clients", _CLIENTS, rows, "No client has had a job lately.")


def _client(client: ClientReading) -> PageRow:
    cells = [
        PageCell(client.client, "", client.href),
        PageCell(amounts.count(client.waiting)),
        PageCell(amounts.rate(client.out_per_s)),
        PageCell(amounts.span(client.total.p50_s)),
        PageCell(amounts.span(client.total.p95_s)),
        PageCell(amounts.span(client.total.p99_s)),
    ]
    return PageRow(client.client, cells)


def workers_table(reading: Reading) -> PageTable:
    """Return the workers that have not ended."""
    rows = [_worker(worker) for worker in reading.workers]
    return PageTable("workers", "Workers", _WORKERS, rows, "No worker runs.")


def _worker(worker: WorkerReading) -> PageRow:
    heard: Level = "" if worker.alive else "red"
    loaded = ", ".join(v.version if v.state == "ready" else f"{v.version} ({v.state})" for v in worker.loaded)
    failed = any(version.state == "failed" for version in worker.loaded)
    cells = [
        PageCell(worker.node, heard, worker.href),
        PageCell(worker.zone or amounts.UNKNOWN),
        PageCell(worker.device or amounts.UNKNOWN),
        PageCell(", ".join(worker.models) or amounts.UNKNOWN),
        PageCell(loaded or amounts.UNKNOWN, "red" if failed else ""),
        PageCell(amounts.count(worker.lanes) + (f", {worker.lane} jobs only" if worker.lane else "")),
        PageCell(_in_flight(worker)),
        PageCell(amounts.rate(worker.out_per_s)),
        PageCell(amounts.span(worker.total.p95_s)),
        PageCell(amounts.memory(worker.memory_used_bytes, worker.memory_total_bytes)),
        PageCell(f"{amounts.span(worker.heartbeat_age_s)} ago", heard),
    ]
    return PageRow(worker.href, cells)


def _in_flight(worker: WorkerReading) -> str:
    return f"{worker.batches} ({amounts.things(worker.batch_jobs, 'job')})" if worker.batches else "0"


def relays_table(reading: Reading) -> PageTable:
    """Return the relays."""
    rows = [_relay(relay) for relay in reading.relays]
    return PageTable("relays", "Relays", _RELAYS, rows, "No relay runs: nothing is published.")


def _relay(relay: RelayReading) -> PageRow:
    held: Level = "" if relay.alive else "red"
    lease = f"{amounts.span(relay.left_s)} left" if relay.left_s > 0 else "ended"
    return PageRow(
        relay.label,
        [PageCell(relay.label), PageCell(", ".join(relay.queues) or amounts.UNKNOWN), PageCell(lease, held)],
    )


def parts_table(reading: Reading) -> PageTable:
    """Return whether each part of the platform does its work."""
    rows = [_part(name, part) for name, part in reading.parts.items()]
    return PageTable("parts", "Broker, database and loops", _PARTS, rows, "Nothing is known.")


def _part(name: str, part: PartReading) -> PageRow:
    state = PageCell("works", "good") if part.ok else PageCell("does not work", "red")
    age = amounts.UNKNOWN if part.age_s is None else f"{amounts.span(part.age_s)} old"
    return PageRow(
        name, [PageCell(name), state, PageCell(part.text), PageCell(age, "" if part.ok else "amber")]
    )
