"""How many calls of each client wait at this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.core.errors import TooManyCallsError


class OpenCalls:
    """Counts the open calls of one kind by client, on one event loop."""

    def __init__(self, most: int) -> None:
        """Allow each client `most` at once."""
        self._most = most
        self._open = Counter[int]()

    @contextmanager
    def one_more(self, client: int) -> Iterator[None]:
        """Count one more call while the block runs; TooManyCallsError where it would be too many."""
        if self._open[client] >= self._most:
            raise TooManyCallsError(f"Only {self._most} of your calls may wait here at once.")
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
