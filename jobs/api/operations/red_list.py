"""What is red: what stands on top of the live page, each with a sentence and the page where to act."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from jobs.api.operations.page_links import jobs_of, letters_like, page, waiting_of, worker_page
from jobs.core.circuits.breaker import CircuitState
from jobs.core.operations import amounts
from jobs.core.operations.operations_reading import ModelReading, Red, RedKind, Severity
from jobs.core.outage_kinds import OutageKind
from jobs.services.circuits.operate import OPENED
from jobs.services.operations.reading_rows import OperationsRows
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState

STALE_S = 10.0
SILENT_S = 20.0  # as the surveyor counts
GOAL_SHARE = 0.95
ENOUGH = 20  # fewer jobs are too few to judge a goal by
MOST_GROUPS = 20
LOAD_FAILED = "failed"
_BY_PEOPLE = frozenset({HoldReason.PAUSED, HoldReason.APPROVAL})


def red_list(rows: OperationsRows, models: Iterable[ModelReading]) -> list[Red]:
    """Return what is red or amber, in the order of `RedKind`, the longest first within a kind."""
    shown = list(models)
    makers: tuple[Callable[[], Iterator[Red]], ...] = (
        lambda: _outages(rows), lambda: _unfed(rows, shown), lambda: _stale(rows), lambda: _unserved(shown),
        lambda: _silent(rows), lambda: _circuits(rows), lambda: _failed_loads(rows),
        lambda: _rollouts(rows), lambda: _paused(rows),
        lambda: _missed_goals(shown), lambda: _letters(rows),
    )  # fmt: skip
    order = [*RedKind]
    return sorted(chain.from_iterable(make() for make in makers), key=lambda red: order.index(red.kind))


def is_recorded(rows: OperationsRows) -> bool:
    """Return whether the recorder's last minute is one of now: of a clock that was set back it is not."""
    return rows.recent is not None and abs(rows.now - rows.recent.at) <= STALE_S


def _outages(rows: OperationsRows) -> Iterator[Red]:
    for outage in rows.outages:
        if outage.kind == OutageKind.BROKER:
            yield Red(
                kind=RedKind.BROKER,
                severity=Severity.RED,
                text="The broker does not take messages: jobs wait in the outbox.",
                href=page("jobs_queuestanding"),
                since=outage.since,
            )


def _unfed(rows: OperationsRows, models: list[ModelReading]) -> Iterator[Red]:
    fed = {queue for relay in rows.relays if relay.left_s > 0 for queue in relay.queues}
    for model in models:
        if model.model not in fed:
            yield Red(
                kind=RedKind.RELAY,
                severity=Severity.RED,
                text=f"No relay publishes the jobs of {model.model}: start `manage.py relay`.",
                href=page("jobs_queuestanding"),
                model=model.model,
                count=sum(model.waiting),
            )


def _stale(rows: OperationsRows) -> Iterator[Red]:
    age_s = min((queue.age_s for queue in rows.queues), default=None)
    if age_s is not None and age_s > STALE_S:
        yield Red(
            kind=RedKind.STALE_COUNT,
            severity=Severity.RED,
            text=f"What waits was counted {age_s:.0f} s ago: no relay's surveyor counts.",
            href=page("jobs_queuestanding"),
            since=rows.now - age_s,
        )
    if not is_recorded(rows):
        since = None if rows.recent is None else float(rows.recent.at)
        yield Red(
            kind=RedKind.NO_RECORDER,
            severity=Severity.AMBER,
            text="No relay records the history: rates and percentiles are old.",
            href=page("jobs_queuestanding"),
            since=since,
        )


def _unserved(models: list[ModelReading]) -> Iterator[Red]:
    for model in models:
        waiting = sum(model.waiting)
        if waiting and model.workers_busy == 0 and model.workers_idle == 0:
            yield Red(
                kind=RedKind.NO_WORKER,
                severity=Severity.RED,
                text=f"{amounts.things(waiting, 'job waits', 'jobs wait')} for {model.model},"
                " and no live worker serves it.",
                href=waiting_of(model.model),
                model=model.model,
                count=waiting,
            )


def _silent(rows: OperationsRows) -> Iterator[Red]:
    for worker in rows.workers:
        if worker.beat_s > SILENT_S:
            yield Red(
                kind=RedKind.SILENT_WORKER,
                severity=Severity.RED,
                text=f"The worker {worker.node} has had no heartbeat for {worker.beat_s:.0f} s.",
                href=worker_page(worker.id),
                since=rows.now - worker.beat_s,
            )


def _circuits(rows: OperationsRows) -> Iterator[Red]:
    for circuit in rows.circuits:
        probing = circuit.state == CircuitState.HALF_OPEN
        whose = f" for the client {circuit.client}" if circuit.client else ""
        how = f"was opened by {circuit.by}" if circuit.by else f"is {circuit.state.replace('_', ' ')}"
        why = "." if circuit.by and circuit.reason == OPENED else f": {circuit.reason}"
        yield Red(
            kind=RedKind.CIRCUIT,
            severity=Severity.AMBER if probing else Severity.RED,
            text=f"The circuit of {circuit.version}{whose} {how}{why}",
            href=page("jobs_circuit", circuit.id),
            model=circuit.model,
            client=circuit.client or None,
            since=circuit.since,
            by=circuit.by,
        )


def _failed_loads(rows: OperationsRows) -> Iterator[Red]:
    for load in rows.loads:
        if load.state == LOAD_FAILED:
            yield Red(
                kind=RedKind.LOAD_FAILED,
                severity=Severity.RED,
                text=f"{load.node} cannot load {load.version}: {load.reason}",
                href=jobs_of(load.model),
                model=load.model,
                since=load.since,
            )


def _rollouts(rows: OperationsRows) -> Iterator[Red]:
    for rollout in rows.rollouts:
        is_held = rollout.state == RolloutState.HELD
        how = f"Held: {rollout.hold.replace('_', ' ')}." if is_held else "Rolled back."
        yield Red(
            kind=RedKind.ROLLOUT,
            severity=Severity.AMBER if is_held and rollout.hold in _BY_PEOPLE else Severity.RED,
            text=f"{rollout.model}:{rollout.candidate} at @{rollout.alias}: {rollout.sentence or how}",
            href=page("models_registry_rollout", rollout.id),
            model=rollout.model,
            since=rollout.since,
        )


def _paused(rows: OperationsRows) -> Iterator[Red]:
    for pause in rows.pauses:
        yield Red(
            kind=RedKind.PAUSED,
            severity=Severity.AMBER,
            text=f"The {pause.kind} {pause.name} is paused by {pause.actor}: {pause.reason}",
            href=page("jobs_workpause"),
            model=pause.name.split(":")[0] if pause.kind != "client" else None,
            client=pause.name if pause.kind == "client" else None,
            since=pause.since,
            by=pause.actor,
        )


def _missed_goals(models: list[ModelReading]) -> Iterator[Red]:
    for model in models:
        met, count = model.goal_met, model.total.count
        if met is not None and met < GOAL_SHARE and count >= ENOUGH:
            yield Red(
                kind=RedKind.GOAL_MISSED,
                severity=Severity.AMBER,
                text=f"{met:.0%} of the jobs of {model.model} ended within its goal of {model.goal_s:g} s.",
                href=jobs_of(model.model),
                model=model.model,
                count=count,
            )


def _letters(rows: OperationsRows) -> Iterator[Red]:
    for group in rows.letters[:MOST_GROUPS]:
        yield Red(
            kind=RedKind.DEAD_LETTERS,
            severity=Severity.RED,
            text=f"{amounts.things(group.count, 'job')} of {group.queue} died of {group.fingerprint}.",
            href=letters_like(group.queue, group.kind, group.fingerprint),
            model=group.queue,
            count=group.count,
            since=group.first_seen.timestamp(),
            last=group.last_seen.timestamp(),
            fingerprint=group.fingerprint,
        )
