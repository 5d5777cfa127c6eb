"""The API's ten priorities and the broker's four levels; each level has a fast side for quiet clients."""

LOWEST, HIGHEST, DEFAULT = 0, 9, 4
LEVELS = 4
SIDES = 2  # a level is served in order of arrival, except that its fast side goes first
MAX_BROKER_PRIORITY = LEVELS * SIDES - 1


def broker_level(priority: int) -> int:
    """Map an API priority 0-9 to a broker level 0-3, keeping order; ValueError outside 0-9."""
    if not LOWEST <= priority <= HIGHEST:
        raise ValueError(f"priority must be {LOWEST} to {HIGHEST}, not {priority}")
    return priority * LEVELS // (HIGHEST + 1)


def broker_priority(priority: int, *, fast: bool) -> int:
    """Return the AMQP priority, 0-7, of a message with jobs of an API priority."""
    return broker_level(priority) * SIDES + fast
