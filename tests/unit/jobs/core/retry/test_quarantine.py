"""The groups in which jobs run again after their worker died."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.retry.quarantine import groups_after_death


@given(st.uuids(), st.lists(st.uuids(), min_size=1, max_size=70, unique=True))
def test_a_batch_is_halved_into_groups_that_a_message_can_carry(batch: UUID, jobs: list[UUID]) -> None:
    groups = groups_after_death(batch, jobs)
    assert set(groups) == set(jobs)
    sizes = Counter(groups.values())
    assert max(sizes.values()) == (len(jobs) + 1) // 2
    assert len(sizes) == min(len(jobs), 2)
    assert all(0 < group < 2**31 for group in sizes)


def test_two_batches_do_not_end_in_one_group() -> None:
    job = UUID(int=1)
    made = {groups_after_death(UUID(int=at << 8), [job])[job] for at in range(1, 1_000)}
    assert len(made) > 990
