"""The pipeline when its worker stops: whatever was claimed by then is given back."""

from __future__ import annotations

from threading import Event, Timer
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from uuid import UUID

from jobs.core.batching.sealed_batch import SealReason
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.pipeline import Pipeline
from jobs.worker.stages.claimed_batch import ClaimedBatch

JOB = Claimed(UUID(int=1), 1, 1, 3, b"{}", None)


def test_a_batch_being_claimed_at_the_stop_is_among_the_remaining_ones() -> None:
    began, may_end = Event(), Event()

    def claim(_: object) -> tuple[ClaimedBatch, list[Any]]:
        began.set()
        may_end.wait()
        return ClaimedBatch(UUID(int=9), 1, 1, SealReason.IDLE, [], jobs=[JOB]), []

    buffer, claimer, settler = Mock(), Mock(claim=claim), Mock()
    buffer.next.side_effect = [SimpleNamespace(isolation_group=0), None]
    settler.settle.return_value = None  # the worker stops before the database took it
    pipeline = Pipeline(buffer, claimer, settler, Mock())
    pipeline.start()
    began.wait()
    pipeline.close()
    Timer(0.2, may_end.set).start()  # the later the claim ends, the surer one that does not wait fails
    assert [work.jobs for work in pipeline.remaining()] == [[JOB]]
