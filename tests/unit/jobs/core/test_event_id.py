"""Marks are read as they are written, and grow with a job's life."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.event_id import EventId
from jobs.core.states import State

COUNTS = st.integers(0, 2**31)
MARKS = st.builds(EventId, COUNTS, COUNTS, st.sampled_from([state.value for state in State]))


@given(MARKS)
def test_a_mark_is_read_as_it_was_written(mark: EventId) -> None:
    assert EventId.parse(str(mark)) == mark


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.", "a.2.queued", "1.2.queued ", "-1.2.queued", "٣.2.queued"]
)
def test_anything_else_is_no_mark(text: str) -> None:
    assert EventId.parse(text) is None


def test_a_job_s_life_only_grows() -> None:
    life = ["0.0.queued", "1.0.running", "1.4.running", "1.0.waiting", "2.0.running", "3.0.queued",
            "4.0.running", "4.9.running", "4.0.succeeded"]  # fmt: skip
    marks = [mark for mark in map(EventId.parse, life) if mark is not None]
    ages = [mark.age for mark in marks]
    assert len(ages) == len(life)
    assert all(before < after for before, after in pairwise(ages))
