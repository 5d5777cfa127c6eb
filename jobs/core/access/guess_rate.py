"""How often an address may send a password: a token bucket for each, as one time (GCRA). Pure."""

from __future__ import annotations

GUESSES_AT_ONCE, GUESS_S = 10, 6.0
MOST_GUESSERS = 10_000


class GuessRate:
    """The rate of each address. Beyond a bound the addresses that wrote longest ago are forgotten."""

    def __init__(self) -> None:
        """Begin with full buckets."""
        self._full_at = dict[str, float]()

    def wait_s(self, address: str, now: float) -> float:
        """Count a guess and return 0; beyond the rate, return the seconds until the next may come."""
        full_at = max(self._full_at.pop(address, now), now) + GUESS_S
        wait_s = full_at - now - GUESSES_AT_ONCE * GUESS_S
        self._full_at[address] = full_at if wait_s <= 0 else full_at - GUESS_S
        if len(self._full_at) > MOST_GUESSERS:
            del self._full_at[next(iter(self._full_at))]
        return max(0.0, wait_s)
