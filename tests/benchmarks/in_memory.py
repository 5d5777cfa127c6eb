"""The worker's real buffer, pipeline and threads around the `sleeper`, without broker and database.

A job's time starts when it was due to arrive, so that a late source does not hide latency.
"""

from __future__ import annotations

import random
import time
from statistics import fmean
from threading import Lock
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch
from jobs.core.messages.envelope import Envelope
from jobs.core.simulation.admission_control import AdmissionControl
from jobs.core.simulation.arrivals import Arrival, poisson
from jobs.core.simulation.ledger import LedgerRow
from jobs.core.simulation.plan import Model, SimulationPlan, Timing
from jobs.management.demo.figures import percentile
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.pipeline import Pipeline
from jobs.worker.stages.buffer import Buffer
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.settler import Stored, verdicts_of
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Sleeper
from tests.benchmarks.policy import BASE_S, MAX_BATCH, PER_ITEM_S, UNTUNED
from tests.support.wait import wait_until

VERSION = 1


class Gate:
    """The product's admission, with the surveyor's counts made at the first arrival after each is due."""

    def __init__(self, limits: BatchLimits, *, sheds: bool) -> None:
        plan = SimulationPlan({VERSION: Model(Timing(BASE_S, PER_ITEM_S), limits)}, sheds=sheds)
        self._admission, self._lock = AdmissionControl(plan, time.monotonic()), Lock()

    def admits(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if self._admission.count_due_s <= now:
                self._admission.count(now)
            return self._admission.decide(Arrival(now, version=VERSION), now) is None

    def claimed(self, items: int, padded_size: int) -> LedgerRow:
        with self._lock:
            now = time.monotonic()
            row = LedgerRow(VERSION, items, padded_size, now)
            self._admission.claimed(row, [Arrival(now, version=VERSION)] * items)
        return row

    def finished(self, row: LedgerRow, ran_s: float) -> None:
        with self._lock:
            row.ran_s, row.finished_s = ran_s, time.monotonic()
            self._admission.finished(row)


class Claimer:
    """Claims every job at once."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._runner = gate, Sleeper(BASE_S, PER_ITEM_S)
        self.rows: dict[UUID, LedgerRow] = {}
        self.claiming: UUID | None = None

    def claim(self, sealed: SealedBatch[MessageDelivery]) -> tuple[ClaimedBatch, list[Any]]:
        work = ClaimedBatch(uuid4(), sealed.key, sealed.padded_size, sealed.reason, sealed.tokens)
        self.rows[work.id] = self._gate.claimed(len(sealed.tokens), sealed.padded_size)
        work.jobs = [Claimed(delivery.job, 1, 1, 1, b"{}", None) for delivery in sealed.tokens]
        return work, []

    def prepare(self, work: ClaimedBatch) -> None:
        items = [Item({}) for _ in work.jobs]
        work.runner = self._runner
        work.pieces = [
            BatchPiece(list(range(len(items))), items, self._runner.collate(items), is_collated=True)
        ]

    def done(self, work: ClaimedBatch) -> None:
        """Nothing is held for a batch, so nothing is released."""


class Settler:
    """Makes the verdicts and stores none of them."""

    def __init__(self, gate: Gate, rows: dict[UUID, LedgerRow]) -> None:
        self._gate, self._rows = gate, rows

    def judge(self, work: ClaimedBatch) -> None:
        work.verdicts = verdicts_of(work)

    def together(self, _: list[ClaimedBatch]) -> dict[UUID, Stored]:
        return {}

    def settle(self, work: ClaimedBatch) -> Stored:
        self._gate.finished(self._rows.pop(work.id), work.ran_s)
        return Stored(work.verdicts, [], set())


class Watch:
    """Records the time of each job's outcome."""

    def __init__(self) -> None:
        self.ends_s: dict[UUID, float] = {}
        self.batches: list[int] = []

    def refused(self, refused: list[Any]) -> None:
        raise AssertionError(refused)

    def claimed(self, work: ClaimedBatch) -> None:
        self.batches.append(len(work.jobs))

    def settled(self, work: ClaimedBatch, verdicts: list[Any], settled: list[Any]) -> None:
        del work, settled
        now = time.monotonic()
        self.ends_s.update((verdict.job, now) for verdict in verdicts)


def run(rate_per_s: float, goal_s: float, seconds: float) -> dict[str, float]:
    limits = BatchLimits(MAX_BATCH, p95_goal_s=goal_s) if goal_s else UNTUNED
    policy: BatchPolicy[MessageDelivery] = BatchPolicy(lambda _: limits)
    gate, watch = Gate(limits, sheds=goal_s > 0), Watch()
    claimer = Claimer(gate)
    pipeline = Pipeline(Buffer(policy), claimer, Settler(gate, claimer.rows), watch)  # type: ignore[arg-type]  # stand-ins
    pipeline.start()
    moments_s = [arrival.at_s for arrival in poisson(rate_per_s, random.Random(1).random, until_s=seconds)]
    due_s, late_s = _feed(pipeline.buffer, gate, moments_s)
    wait_until(
        lambda: len(watch.ends_s) >= len(due_s),
        every_s=0.05,
        what=lambda: f"{len(due_s)} outcomes; there are {len(watch.ends_s)}",
    )
    pipeline.close()
    waits_s = [watch.ends_s[job] - at_s for job, at_s in due_s.items()]
    return {
        "offered": len(moments_s),
        "refused": len(moments_s) - len(due_s),
        "served": len(waits_s),
        "span_s": max(watch.ends_s.values()) - min(due_s.values()),
        "p50_s": percentile(waits_s, 0.5),
        "p99_s": percentile(waits_s, 0.99),
        "late_s": percentile(late_s, 0.99),
        "batch": fmean(watch.batches),
    }


def _feed(buffer: Buffer, gate: Gate, moments_s: list[float]) -> tuple[dict[UUID, float], list[float]]:
    """Put jobs into the buffer when due; return when admitted ones were due, and the lateness of all."""
    due_s, late_s, start = dict[UUID, float](), list[float](), time.monotonic() + 0.1
    for moment_s in moments_s:
        time.sleep(max(0.0, start + moment_s - time.monotonic()))
        late_s.append(time.monotonic() - start - moment_s)
        if gate.admits():
            job = uuid4()
            due_s[job] = start + moment_s
            envelope = Envelope(job, 0, VERSION, 4)
            parcel: Any = SimpleNamespace(slow=False)
            buffer.add([MessageDelivery(parcel, envelope, task=None)])
    return due_s, late_s
