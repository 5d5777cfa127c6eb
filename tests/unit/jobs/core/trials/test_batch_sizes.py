"""The sizes of batches that trials compare."""

from __future__ import annotations

import pytest

from jobs.core.trials.batch_sizes import sizes_up_to


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, [1]), (5, [1, 5]), (8, [1, 8]), (64, [1, 8, 32, 64]), (200, [1, 8, 32, 128, 200])]
)
def test_sizes_go_up_to_the_largest_batch(most: int, sizes: list[int]) -> None:
    assert sizes_up_to(most) == sizes
