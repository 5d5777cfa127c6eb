import pytest

from jobs.core.priority import HIGHEST, LEVELS, LOWEST, broker_level


def test_ten_priorities_fill_the_broker_s_levels_in_order() -> None:
    levels = [broker_level(priority) for priority in range(LOWEST, HIGHEST + 1)]
    assert levels == sorted(levels)
    assert set(levels) == set(range(LEVELS))
    assert max(levels.count(level) for level in levels) - min(levels.count(level) for level in levels) <= 1


@pytest.mark.parametrize("priority", [LOWEST - 1, HIGHEST + 1])
def test_another_priority_is_refused(priority: int) -> None:
    with pytest.raises(ValueError, match="0 to 9"):
        broker_level(priority)
