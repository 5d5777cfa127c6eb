"""The API's ten priorities and the broker's four levels."""

LOWEST, HIGHEST, DEFAULT = 0, 9, 4
LEVELS = 4
MAX_LEVEL = LEVELS - 1


def broker_level(priority: int) -> int:
    """Map an API priority 0-9 to a broker level 0-3, keeping order; ValueError outside 0-9."""
    if not LOWEST <= priority <= HIGHEST:
        raise ValueError(f"priority must be {LOWEST} to {HIGHEST}, not {priority}")
    return priority * LEVELS // (HIGHEST + 1)
