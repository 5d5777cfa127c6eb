"""How large the slices of an act are, and which states it applies to."""

from __future__ import annotations

import pytest

from jobs.core.acting.bulk_verbs import MOST_A_SLICE, BulkVerb, slice_size
from jobs.core.acting.job_selection import JobSelection, decoded, encoded
from jobs.core.states import State


@pytest.mark.parametrize(
    ("rate", "jobs"), [(0.01, 1), (1, 1), (2, 1), (10, 5), (400, 200), (10_000, MOST_A_SLICE)]
)
def test_a_slice_is_half_a_second_of_work_within_bounds(rate: float, jobs: int) -> None:
    assert slice_size(rate) == jobs


def test_an_act_is_for_the_states_that_it_applies_to() -> None:
    anything, dead = JobSelection(), JobSelection(state=State.DEAD)
    assert set(anything.states_for(BulkVerb.CANCEL)) == {State.QUEUED, State.WAITING, State.RUNNING}
    assert set(anything.states_for(BulkVerb.REPLAY)) == {State.DEAD, State.CANCELLED, State.EXPIRED}
    assert anything.states_for(BulkVerb.DISCARD) == [State.DEAD]
    assert dead.states_for(BulkVerb.CANCEL) == []


def test_the_audit_is_told_the_filter_without_a_value_of_the_metadata() -> None:
    selection = JobSelection(model="echo", field="tenant", value="acme")
    assert decoded(encoded(selection)) == selection
    assert selection.without_content() == {"model": "echo", "field": "tenant"}
