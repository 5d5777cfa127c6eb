"""Event ids are read as they are written, and grow with a job's life."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core import event_id
from jobs.core.event_id import EventId, id_pattern
from jobs.core.states import State

COUNTS = st.integers(0, 2**31)
EVENT_IDS = st.builds(EventId, COUNTS, COUNTS, st.sampled_from([state.value for state in State]))


@given(EVENT_IDS)
def test_an_event_id_is_read_as_it_was_written(written: EventId) -> None:
    assert EventId.parse(str(written)) == written


@pytest.mark.parametrize("state", list(State))
def test_an_event_id_can_name_each_state(state: State) -> None:
    assert EventId.parse(f"3.5.{state}") == EventId(3, 5, state.value)


def test_a_state_with_an_underscore_would_be_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_id, "_EVENT_ID", id_pattern([*State, "timed_out"]))
    assert EventId.parse("3.5.timed_out") == EventId(3, 5, "timed_out")


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.", "a.2.queued", "1.2.queued ", "-1.2.queued", "٣.2.queued", "1.2.unheard"]
)
def test_anything_else_is_no_event_id(text: str) -> None:
    assert EventId.parse(text) is None


def test_a_job_s_life_only_grows() -> None:
    life = ["0.0.queued", "1.0.running", "1.4.running", "1.0.waiting", "2.0.running", "3.0.queued",
            "4.0.running", "4.9.running", "4.0.succeeded"]  # fmt: skip
    ids = [parsed for parsed in map(EventId.parse, life) if parsed is not None]
    ages = [parsed.age for parsed in ids]
    assert len(ages) == len(life)
    assert all(earlier < later for earlier, later in pairwise(ages))
