"""Which rows go to the slow lane, and the names of its queues."""

from __future__ import annotations

from typing import NamedTuple

from jobs.core.queue_names import MOST_QUEUE_CHARS, is_slow, model_of_queue, queues_of, slow_queue
from jobs.core.relay.slow_rows import split_slow
from jobs.models import Outbox, QueueStanding
from models_registry.models import RegisteredModel


class Row(NamedTuple):
    version: int
    size: int


def test_rows_are_split_by_version_and_size_in_their_order() -> None:
    rows = [Row(1, 5), Row(2, 0), Row(1, 10), Row(1, 9), Row(3, 99)]
    assert split_slow(rows, {1: 10, 2: 0}) == ([Row(1, 5), Row(1, 9), Row(3, 99)], [Row(2, 0), Row(1, 10)])


def test_without_slow_versions_every_row_stays() -> None:
    rows = [Row(1, 5), Row(2, 0)]
    assert split_slow(rows, {}) == (rows, [])


def test_a_queue_names_its_model_and_lane() -> None:
    assert queues_of("m.1") == ["m.1", "m.1.slow"]
    assert [model_of_queue(queue) for queue in queues_of("m.1")] == ["m.1", "m.1"]
    assert [is_slow(queue) for queue in queues_of("m.1")] == [False, True]


def test_the_longest_name_of_a_queue_fits_its_columns() -> None:
    longest = RegisteredModel._meta.get_field("name").max_length
    assert len(slow_queue("m" * (longest or 0))) == MOST_QUEUE_CHARS
    for table in (Outbox, QueueStanding):
        assert table._meta.get_field("model").max_length == MOST_QUEUE_CHARS
