"""The seconds before a seal are split without gap or overlap, also where clocks and copies disagree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.stages import Waits, waits

SECONDS = st.floats(0, 1e6)


def test_the_waits_are_told_apart() -> None:
    split = waits(due_ago_s=10.0, published_ago_s=4.0, buffered_s=1.0, sealed_ago_s=0.5)
    assert split == Waits(outbox_s=6.0, broker_s=2.5, buffer_s=1.0)


def test_a_copy_that_was_published_after_the_receipt_leaves_the_broker_nothing() -> None:
    split = waits(due_ago_s=10.0, published_ago_s=0.7, buffered_s=3.0, sealed_ago_s=0.5)
    assert split == Waits(outbox_s=6.5, broker_s=0.0, buffer_s=3.0)


def test_a_receipt_that_seems_older_than_the_job_is_as_old_as_it() -> None:
    split = waits(due_ago_s=1.0, published_ago_s=1.0, buffered_s=2.0, sealed_ago_s=0.5)
    assert split == Waits(outbox_s=0.0, broker_s=0.0, buffer_s=0.5)


def test_an_unknown_publish_leaves_all_to_the_broker() -> None:
    split = waits(due_ago_s=3.0, published_ago_s=None, buffered_s=1.0, sealed_ago_s=0.0)
    assert split == Waits(outbox_s=0.0, broker_s=2.0, buffer_s=1.0)


@given(due=SECONDS, published=st.none() | SECONDS, buffered=st.floats(-1, 1e6), sealed=SECONDS)
def test_the_parts_are_the_whole_and_none_is_negative(
    due: float, published: float | None, buffered: float, sealed: float
) -> None:
    split = waits(due_ago_s=due, published_ago_s=published, buffered_s=buffered, sealed_ago_s=sealed)
    assert min(split) >= 0
    assert sum(split) == pytest.approx(max(due - sealed, 0.0), abs=1e-6)
