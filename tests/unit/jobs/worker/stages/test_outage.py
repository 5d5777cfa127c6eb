"""While the database is away the stages keep their batches, which do not count as hanging."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from django.db import OperationalError

from jobs.core.batching.sealed_batch import BatchLimits, SealReason
from jobs.core.circuits.tally import VerdictTally
from jobs.worker import process as host
from jobs.worker.circuit_monitor import CircuitMonitor
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.settler import Settler
from models_registry.loaders.builtin import Echo
from tests.support.specimens import version


class Stopping:
    """Returns False for the first `refusals` calls, and notes `busy_since` of the batch at each."""

    def __init__(self, work: ClaimedBatch, refusals: int) -> None:
        self.work, self.refusals, self.seen = work, refusals, list[float | None]()

    def __call__(self) -> bool:
        self.seen.append(self.work.busy_since)
        return len(self.seen) > self.refusals


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def batch() -> ClaimedBatch:
    return ClaimedBatch(UUID(int=1), 1, 1, SealReason.IDLE, [], runner=Echo(), busy_since=1.0)


def away(*_: Any) -> Any:
    raise OperationalError("the database is away")


def a_settler(engine: Any, stopping: Callable[[], bool]) -> Settler:
    return Settler(
        engine, stopping, node="gpu-0@tests", expected_s=lambda *_: 0.0, circuits=CircuitMonitor(engine, away)
    )


def test_a_batch_that_waits_for_the_database_does_not_hang() -> None:
    work, engine = batch(), MagicMock()
    engine.begin.side_effect = sa.exc.OperationalError("", None, psycopg.OperationalError())
    stopping = Stopping(work, refusals=3)
    assert a_settler(engine, stopping).settle(work) is None
    assert stopping.seen == [None] * 4


def test_a_circuit_error_loses_no_stored_batch() -> None:
    CircuitMonitor(MagicMock(), away).observe(1, {7: VerdictTally(blamed=60)})


def test_unreadable_limits_are_read_again_and_end_no_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.worker.process.selectors.info", away)
    monkeypatch.setattr(host._Bounds, "RETRY_S", 0.0)
    longest = [None, 280]
    pool: Any = SimpleNamespace(device="cuda:0", longest_bytes=lambda _: longest[0])
    bounds = host._Bounds(pool)
    assert bounds(1) == BatchLimits()
    info = version("entry_point", "", max_batch=2, max_padded_size=70, padded=True, p95_goal_s=2.0,
                   options={"profiles": {"cuda": {"max_batch": 7}}})  # fmt: skip
    monkeypatch.setattr("jobs.worker.process.selectors.info", lambda _: info)
    assert bounds(1) == BatchLimits(7, 70, True, 2.0, 256_000_000)
    longest.reverse()
    assert bounds(1).longest == 280
    longest.reverse()
    assert bounds(1).longest == 280, "the version may have left memory"
