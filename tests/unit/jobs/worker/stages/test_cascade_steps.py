"""Settling a cascade's batch: what needs the database comes after the time that the watchdog measures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock
from uuid import UUID

import msgspec
import pytest
from django.db import OperationalError
from sqlalchemy.exc import OperationalError as EngineError

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.cascades.step_ends import (
    CascadeState,
    Hindrance,
    StepVerdict,
    ended_step,
    failed_step,
    hindered,
    judged_output,
)
from jobs.core.circuits.tally import VerdictTally
from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.retry.policy import Bury
from jobs.core.states import State
from jobs.services.lifecycle.cascading.settle_steps import refused
from jobs.services.lifecycle.cascading.step_times import StepTimes
from jobs.services.lifecycle.cascading.switch import EscalationSwitch
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.settler import Settler, Stored
from models_registry import flag_reads
from models_registry.core.routing.cascade_plan import Check, PlannedStep
from models_registry.core.routing.flag_document import CompiledFlag, FlagDocument
from models_registry.core.routing.switches import Switch
from models_registry.core.runner import Item
from models_registry.loaders.builtin import Echo

PLAN = (PlannedStep("m:light", 1, (Check("/c", 0.7, 1, degrades=True),)), PlannedStep("n:heavy", 2))


FAILING = (PlannedStep("m:light", 1, (Check("/c", 0.7, 1, degrades=False),)), PLAN[1])
SECOND = CascadeState(9, PLAN, 1, number=1, degrades=True)
FAULT = Failure(FailureKind.INTERNAL, "boom", "no", "Traceback")
CLIENT = 7


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


def verdict(number: int, outcome: Outcome, step: StepVerdict) -> Verdict:
    return Verdict(UUID(int=number), 5, outcome, Bury("a test"), attempt=1, step=step)


def tallied(
    monkeypatch: pytest.MonkeyPatch, verdicts: Sequence[Verdict], ends: Sequence[State]
) -> VerdictTally:
    """Return what a settle of these verdicts says to the circuits, where the jobs ended so."""
    seen = list[dict[int, VerdictTally]]()
    circuits: Any = SimpleNamespace(observe=lambda _version, tallies: seen.append(tallies))
    settler = Settler(MagicMock(), lambda: False, node="", expected_s=lambda *_: 0.0, circuits=circuits)
    batch = ClaimedBatch(UUID(int=0), 2, 1, SealReason.IDLE, [], model="n")
    batch.deliveries = [
        cast("Any", SimpleNamespace(job=one.job, envelope=SimpleNamespace(client=CLIENT))) for one in verdicts
    ]
    batch.cascades = {one.job: SECOND for one in verdicts}
    batch.verdicts = list(verdicts)
    settled = [Settled(one.job, end) for one, end in zip(verdicts, ends, strict=True)]
    stored = Stored(batch.verdicts, settled, set())
    monkeypatch.setattr("jobs.worker.stages.settler.persist", lambda *_, **__: stored)
    settler.settle(batch)
    return seen[-1][CLIENT]


def test_failures_count_also_where_all_jobs_have_the_answers_of_the_step_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = [verdict(number, FAULT, failed_step(SECOND)) for number in range(3)]
    tally = tallied(monkeypatch, failed, [State.SUCCEEDED] * 3)
    assert (tally.succeeded, tally.blamed, tally.dead) == (0, 3, 3)


def test_answers_count_also_where_their_jobs_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first = CascadeState(9, FAILING, 0)
    body = msgspec.json.encode({"c": 0.1})
    step = ended_step(first, judged_output(first, body))
    tally = tallied(monkeypatch, [verdict(0, Success(body), step)], [State.QUEUED])
    assert tally == VerdictTally(succeeded=1)


def test_an_answer_whose_job_may_not_go_on_and_dies_of_that_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = CascadeState(9, FAILING, 0)
    body = msgspec.json.encode({"c": 0.1})
    step = hindered(ended_step(first, judged_output(first, body)), Hindrance.NO_TIME)
    dies = refused(verdict(0, Success(body), step), step)
    assert tallied(monkeypatch, [dies], [State.DEAD]) == VerdictTally(succeeded=1)


def test_times_that_cannot_be_read_are_tried_again_a_second_later() -> None:
    engine = MagicMock()
    engine.begin.side_effect = EngineError("", {}, Exception("gone"))
    times = StepTimes()
    assert [times.takes_s(engine, 2) for _ in range(5)] == [0.0] * 5
    assert engine.begin.call_count == 1


@pytest.fixture
def closes(monkeypatch: pytest.MonkeyPatch) -> Iterator[MagicMock]:
    """Return the mock that counts how often this thread's connection is closed."""
    flag_reads.forget_flags()
    used = MagicMock()
    monkeypatch.setattr("jobs.services.lifecycle.cascading.switch.connection", used)
    yield used.close
    flag_reads.forget_flags()


def escalating(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Put a flag `escalate` in force, as this process has read it."""
    document = FlagDocument.of({"owner": "us", "expires_at": "2027-03-01T00:00:00Z"} | fields)
    held = {Switch.ESCALATE.value: CompiledFlag(Switch.ESCALATE.value, document)}
    monkeypatch.setattr("models_registry.flag_reads.flags", lambda: held)


def asking(monkeypatch: pytest.MonkeyPatch, **answer: Any) -> MagicMock:
    """Let reads of jobs for a flag have this outcome, and return their mock."""
    asks = MagicMock(**answer)
    monkeypatch.setattr("jobs.services.lifecycle.cascading.switch._ask", asks)
    return asks


def test_flags_that_cannot_be_read_are_tried_again_a_second_later(
    monkeypatch: pytest.MonkeyPatch, closes: MagicMock
) -> None:
    rows = MagicMock()
    rows.objects.values_list.side_effect = OperationalError
    monkeypatch.setattr("models_registry.flag_reads.Flag", rows)
    switch = EscalationSwitch()
    assert [switch.is_on(UUID(int=n)) for n in range(5)] == [True] * 5
    assert rows.objects.values_list.call_count == 1
    assert not closes.called


def test_a_batch_of_jobs_that_a_plain_flag_stops_reads_none_of_them_and_closes_once(
    monkeypatch: pytest.MonkeyPatch, closes: MagicMock
) -> None:
    escalating(monkeypatch, on=False, clients=["tests"])
    asks = asking(monkeypatch)
    batch = batch_of([{"c": 0.1}] * 5)
    settler_with(lambda *_: False).judge(batch)
    assert [v.step and v.step.hindrance for v in batch.verdicts] == [Hindrance.SWITCHED_OFF] * 5
    assert not asks.called
    assert closes.call_count == 1


def test_a_job_that_could_not_be_read_for_a_flag_lets_no_job_pass_a_flag_that_is_off(
    monkeypatch: pytest.MonkeyPatch, closes: MagicMock
) -> None:
    switch = EscalationSwitch()
    asks = asking(monkeypatch, side_effect=OperationalError)
    escalating(monkeypatch, share=0.0, clients=["some"])
    assert [switch.is_on(UUID(int=n)) for n in range(5)] == [True] * 5
    assert asks.call_count == 1
    escalating(monkeypatch, on=False)
    assert not switch.is_on(UUID(int=6))
    switch.release()
    assert closes.call_count == 1


def test_a_job_that_may_not_go_on_fails_at_its_attempt() -> None:
    batch = batch_of([{"c": 0.1}], attempts=2, plan=FAILING)
    settler_with(lambda *_: True).judge(batch)
    (verdict,) = batch.verdicts
    assert isinstance(verdict.outcome, Failure)
    assert (verdict.outcome.code, verdict.attempt) == ("cascade_circuit", 2)
