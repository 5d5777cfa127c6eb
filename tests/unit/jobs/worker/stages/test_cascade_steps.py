"""Settling a cascade's batch: what needs the database comes after the time that the watchdog measures."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pytest
from django.db import OperationalError
from sqlalchemy.exc import OperationalError as EngineError

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.cascades.step_ends import CascadeState, Hindrance
from jobs.core.failures import Failure
from jobs.services.lifecycle.cascading.step_times import StepTimes
from jobs.services.lifecycle.cascading.switch import EscalationSwitch
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.settler import Settler
from models_registry.core.routing.cascade_plan import Check, PlannedStep
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Echo

PLAN = (PlannedStep("m:light", 1, (Check("/c", 0.7, 1, degrades=True),)), PlannedStep("n:heavy", 2))


FAILING = (PlannedStep("m:light", 1, (Check("/c", 0.7, 1, degrades=False),)), PLAN[1])


def batch_of(outputs: list[Any], *, attempts: int = 1, plan: tuple[PlannedStep, ...] = PLAN) -> ClaimedBatch:
    """Return a batch that ran, all of whose jobs are in the first step of a cascade."""
    jobs = [Claimed(UUID(int=n), 5, attempts, 3, b"{}", None) for n in range(len(outputs))]
    places = list(range(len(outputs)))
    piece = BatchPiece(places, [Item({}) for _ in places], raw_outputs=outputs)
    return ClaimedBatch(
        UUID(int=0), 1, 1, SealReason.IDLE, [], jobs=jobs, runner=Echo(), pieces=[piece], model="m",
        cascades={job.job: CascadeState(9, plan, 0) for job in jobs},
    )  # fmt: skip


def settler_with(is_open: Any) -> Settler:
    circuits: Any = SimpleNamespace(is_open=is_open)
    return Settler(MagicMock(), lambda: False, node="", expected_s=lambda *_: 0.0, circuits=circuits)


def test_a_batch_is_not_busy_while_the_next_step_is_looked_up() -> None:
    batch = batch_of([{"c": 0.1}, {"c": 0.2}])
    batch.busy_since = time.monotonic()
    seen = list[tuple[float | None, int]]()

    def is_open(*_: int) -> bool:
        seen.append((batch.busy_since, len(batch.pieces)))
        return True

    settler_with(is_open).judge(batch)
    assert seen == [(None, 0), (None, 0)]
    assert [v.step and v.step.hindrance for v in batch.verdicts] == [Hindrance.CIRCUIT, Hindrance.CIRCUIT]


def test_times_that_cannot_be_read_are_tried_again_a_second_later() -> None:
    engine = MagicMock()
    engine.begin.side_effect = EngineError("", {}, Exception("gone"))
    times = StepTimes()
    assert [times.takes_s(engine, 2) for _ in range(5)] == [0.0] * 5
    assert engine.begin.call_count == 1


def test_flags_that_cannot_be_read_are_tried_again_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = MagicMock(side_effect=OperationalError)
    monkeypatch.setattr("models_registry.flag_reads.flags", reads)
    switch = EscalationSwitch()
    assert [switch.is_on(UUID(int=n)) for n in range(5)] == [True] * 5
    assert reads.call_count == 1


def test_a_job_that_may_not_go_on_fails_at_its_attempt() -> None:
    batch = batch_of([{"c": 0.1}], attempts=2, plan=FAILING)
    settler_with(lambda *_: True).judge(batch)
    (verdict,) = batch.verdicts
    assert isinstance(verdict.outcome, Failure)
    assert (verdict.outcome.code, verdict.attempt) == ("cascade_circuit", 2)
