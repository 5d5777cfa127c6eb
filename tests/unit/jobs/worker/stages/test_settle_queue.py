"""The settle queue: all that waits is taken at once, and batches with locked rows get their turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest

from jobs.worker.stages.settle_queue import LOCKED_S, MOST_LOCKED, SettleQueue


def queue_of(batches: Sequence[Any]) -> SettleQueue:
    queue = SettleQueue(len(batches) + 1)
    for batch in batches:
        queue.put(batch)
    return queue


def test_all_that_waits_is_taken_at_once_and_the_end_comes_after_it() -> None:
    first, second = Mock(), Mock()
    queue = queue_of([first, second])
    queue.end()
    assert queue.next() == [first, second]
    assert queue.next() == queue.next() == []


def test_the_end_does_not_wait_where_there_is_no_room() -> None:
    queue = queue_of([Mock(), Mock()])
    assert queue.end_now()
    assert not queue.end_now()


def test_a_batch_with_a_locked_row_is_tried_again_while_others_keep_the_settling_busy() -> None:
    locked, other = Mock(), Mock()
    queue = queue_of([other, other])
    queue.retry(locked)
    assert queue.next() == [locked]
    queue.retry(locked)
    assert queue.next() == [other, other], "not again at once"


def test_many_batches_with_locked_rows_are_tried_again_one_after_the_other_with_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = list[float]()
    monkeypatch.setattr("jobs.worker.stages.settle_queue.time.sleep", pauses.append)
    queue = queue_of([])
    for _ in range(MOST_LOCKED + 1):
        queue.retry(Mock())
    assert [len(queue.next()), len(queue.next())] == [1, 1]
    assert pauses == [pytest.approx(LOCKED_S, abs=0.2)]
