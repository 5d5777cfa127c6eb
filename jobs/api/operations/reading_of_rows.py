"""Makes a reading of what was read: the figures of models, clients, workers and relays."""

from __future__ import annotations

import msgspec
from django.urls import reverse

from jobs.api.operations.page_links import jobs_of, jobs_of_client, letters_like, waiting_of, worker_page
from jobs.api.operations.red_list import STALE_S, is_recorded, red_list
from jobs.core.operations import amounts
from jobs.core.operations.operations_history import HistoryPoint
from jobs.core.operations.operations_reading import (
    ClientReading,
    FailureReading,
    LoadedVersion,
    ModelReading,
    PartReading,
    Percentiles,
    Reading,
    Red,
    RedKind,
    RelayReading,
    Severity,
    WorkerReading,
)
from jobs.core.operations.recent_jobs import RECORDED, WINDOW_S, RecentModel
from jobs.core.queue_names import is_slow, model_of_queue
from jobs.services.admission.survey_reads import SurveyedQueue
from jobs.services.operations.reading_rows import OperationsRows
from jobs.services.operations.reading_statements import OpenBatches, WorkerRow

MOST_FAILURES = 5
ALIVE_S = 20.0
OVERDUE_S = 3.0  # the page says of an older reading that the database does not answer
ALL = ""
_NOTHING = RecentModel(
    succeeded=0, died=0, retries=0, batches=0, batch_size=None, padding=None, goal_met=None, seals={},
    total=Percentiles(), stages={stage.value: Percentiles() for stage in RECORDED},
)  # fmt: skip


def reading_of(rows: OperationsRows) -> Reading:
    """Return the reading of these rows."""
    models = [_model(rows, queue) for queue in rows.queues]
    window_s = rows.recent.window_s if is_recorded(rows) and rows.recent else 0
    every = rows.steps.get(ALL)
    return Reading(
        at=rows.now,
        age_s=0.0,
        window_s=float(window_s or WINDOW_S),
        red=red_list(rows, models),
        newest=every.point if every and is_recorded(rows) else None,
        models=models,
        clients=_clients(rows),
        workers=[_worker(rows, worker) for worker in rows.workers],
        relays=_relays(rows),
        parts=_parts(rows),
        watchers=0,
    )


def aged(reading: Reading, age_s: float, watchers: int) -> Reading:
    """Return a reading as it is shown `age_s` after it was made: one that is overdue says so on top."""
    if age_s <= OVERDUE_S:
        return msgspec.structs.replace(reading, age_s=age_s, watchers=watchers)
    text = f"The database has not answered for {age_s:.0f} s: all below is as old."
    red = Red(
        kind=RedKind.DATABASE,
        severity=Severity.RED,
        text=text,
        href=reverse("admin:index"),
        since=reading.at,
    )
    parts = {
        name: msgspec.structs.replace(part, age_s=None if part.age_s is None else part.age_s + age_s)
        for name, part in reading.parts.items()
    }
    return msgspec.structs.replace(
        reading,
        age_s=age_s,
        watchers=watchers,
        red=[red, *reading.red],
        parts={**parts, "database": PartReading(ok=False, age_s=age_s, text=text)},
    )


def _model(rows: OperationsRows, queue: SurveyedQueue) -> ModelReading:
    name, fresh = queue.queue, is_recorded(rows)
    model = model_of_queue(name)
    recent = rows.recent.models.get(name, _NOTHING) if rows.recent and fresh else _NOTHING
    window_s = rows.recent.window_s if rows.recent and fresh else 0
    flying = [open_now for open_now in rows.in_flight if open_now.model == name]
    counted = queue.age_s <= STALE_S
    return ModelReading(
        model=name,
        href=jobs_of(model),
        waiting_href=waiting_of(model),
        total=recent.total,
        stages=recent.stages,
        goal_s=queue.goal_s,
        goal_met=recent.goal_met,
        in_per_s=queue.arrivals_per_s if counted else None,
        out_per_s=(recent.succeeded + recent.died) / window_s if window_s else None,
        capacity_per_s=queue.per_s if counted else None,
        waiting=queue.waiting,
        oldest_s=queue.head_age_s,
        wait_s=_wait_s(queue) if counted else None,
        workers_busy=queue.busy if counted else None,
        workers_idle=max(queue.workers - (queue.busy or 0), 0) if counted else None,
        workers_silent=queue.silent if counted else None,
        workers_wanted=queue.workers_wanted if counted else None,
        lanes=_lanes(rows, name),
        batches=sum(row.batches for row in flying),
        batch_jobs=sum(row.jobs for row in flying),
        batch_size=recent.batch_size,
        padding=recent.padding,
        seals=recent.seals,
        retries=recent.retries,
        died=recent.died,
        held=_held(rows, model),
        failures=_failures(rows, name),
        dead_letters=queue.dead_letters,
        newest=_newest(rows, name) if fresh else None,
    )


def _newest(rows: OperationsRows, model: str) -> HistoryPoint | None:
    """Return the model's last second; where it has no row, and all together have one, it was quiet."""
    if step := rows.steps.get(model):
        return step.point
    every = rows.steps.get(ALL)
    if every is None:
        return None
    return HistoryPoint(at=every.at, in_per_s=0.0, out_per_s=0.0, waiting=0, oldest_s=0.0, failed_per_s=0.0)


def _lanes(rows: OperationsRows, queue: str) -> int | None:
    """Return the lanes of the live workers that serve the queue; None where one does not say."""
    lanes = [worker.lanes for worker in rows.workers if worker.beat_s <= ALIVE_S and _serves(worker, queue)]
    return None if None in lanes else sum(each or 0 for each in lanes)


def _serves(worker: WorkerRow, queue: str) -> bool:
    other = "fast" if is_slow(queue) else "slow"
    models = {name.split(":")[0].split("@")[0] for name in worker.models}
    return worker.lane != other and model_of_queue(queue) in models


def _wait_s(queue: SurveyedQueue) -> float | None:
    waiting = sum(queue.waiting)
    if not queue.workers:
        return None
    if not waiting:
        return 0.0
    return waiting / queue.per_s if queue.per_s else None


def _held(rows: OperationsRows, model: str) -> str | None:
    for pause in rows.pauses:
        if pause.kind != "client" and pause.name.split(":")[0] == model:
            return f"{pause.kind} {pause.name} paused by {pause.actor}: {pause.reason}"
    for circuit in rows.circuits:
        if circuit.model == model and not circuit.client:
            how = f"opened by {circuit.by}" if circuit.by else circuit.state.replace("_", " ")
            return f"circuit of {circuit.version} {how}: {circuit.reason}"
    return None


def _failures(rows: OperationsRows, model: str) -> list[FailureReading]:
    groups = [group for group in rows.letters if group.queue == model][:MOST_FAILURES]
    return [
        FailureReading(
            kind=group.kind,
            fingerprint=group.fingerprint,
            count=group.count,
            first=group.first_seen.timestamp(),
            last=group.last_seen.timestamp(),
            href=letters_like(group.queue, group.kind, group.fingerprint),
        )
        for group in groups
    ]


def _clients(rows: OperationsRows) -> list[ClientReading]:
    fresh = rows.recent if is_recorded(rows) else None
    clients = []
    for row in rows.clients:
        recent = fresh.clients.get(row.id) if fresh else None
        clients.append(
            ClientReading(
                client=row.name,
                href=jobs_of_client(row.id),
                waiting=row.waiting,
                out_per_s=(recent.ended / fresh.window_s if recent else 0.0) if fresh else None,
                total=recent.total if recent else Percentiles(),
            )
        )
    return sorted(clients, key=lambda client: (-(client.out_per_s or 0.0), -client.waiting, client.client))


def _worker(rows: OperationsRows, worker: WorkerRow) -> WorkerReading:
    fresh = rows.recent if is_recorded(rows) else None
    recent = fresh.workers.get(str(worker.id)) if fresh else None
    flying: list[OpenBatches] = [open_now for open_now in rows.in_flight if open_now.worker == worker.id]
    return WorkerReading(
        node=worker.node,
        href=worker_page(worker.id),
        host=worker.host,
        zone=worker.zone,
        device=worker.device,
        models=worker.models,
        alive=worker.beat_s <= ALIVE_S,
        heartbeat_age_s=worker.beat_s,
        since=worker.since,
        lanes=worker.lanes,
        lane=worker.lane,
        batches=sum(row.batches for row in flying),
        batch_jobs=sum(row.jobs for row in flying),
        out_per_s=(recent.ended / fresh.window_s if recent else 0.0) if fresh else None,
        total=recent.total if recent else Percentiles(),
        loaded=[
            LoadedVersion(version=load.version, state=load.state, memory_bytes=load.memory_bytes)
            for load in rows.loads
            if load.node == worker.node
        ],
        memory_used_bytes=worker.memory_used_bytes,
        memory_total_bytes=worker.memory_total_bytes,
    )


def _relays(rows: OperationsRows) -> list[RelayReading]:
    return [
        RelayReading(label=relay.label, alive=relay.left_s > 0, queues=relay.queues, left_s=relay.left_s)
        for relay in rows.relays
    ]


def _parts(rows: OperationsRows) -> dict[str, PartReading]:
    alive = [relay for relay in rows.relays if relay.left_s > 0]
    fed = {queue for relay in alive for queue in relay.queues}
    away = [outage for outage in rows.outages if outage.kind == "broker"]
    survey_s = min((queue.age_s for queue in rows.queues), default=None)
    recorded_s = None if rows.recent is None else max(rows.now - rows.recent.at - 1, 0.0)
    return {
        "database": PartReading(ok=True, age_s=0.0, text="It answers."),
        "broker": PartReading(
            ok=not away,
            age_s=0.0,
            text="It does not take messages." if away else "No relay or worker waits for it.",
        ),
        "relay": PartReading(
            ok=bool(alive) and {queue.queue for queue in rows.queues} <= fed,
            age_s=0.0,
            text=f"{amounts.things(len(alive), 'relay publishes', 'relays publish')}"
            f" for {amounts.things(len(fed), 'queue')}.",
        ),
        "survey": PartReading(
            ok=survey_s is not None and survey_s <= STALE_S,
            age_s=survey_s,
            text="What waits was never counted." if survey_s is None else "What waits is counted.",
        ),
        "history": PartReading(
            ok=is_recorded(rows),
            age_s=recorded_s,
            text="Nothing was ever recorded." if recorded_s is None else "The seconds are recorded.",
        ),
    }
