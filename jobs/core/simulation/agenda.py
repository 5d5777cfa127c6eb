"""Virtual time: what happens next, in order of time, and in order of notice where times are equal."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

Event = Callable[[], None]


class Agenda:
    """Events to come; `now` never goes back."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Event]] = []
        self._noted = 0

    def at(self, when_s: float, event: Event) -> None:
        """Note that `event` happens at `when_s`; now, where that is past."""
        self._noted += 1
        heappush(self._events, (max(when_s, self.now), self._noted, event))

    def after(self, seconds: float, event: Event) -> None:
        """Note that `event` happens `seconds` from now."""
        self.at(self.now + seconds, event)

    def advance(self, until_s: float) -> None:
        """Let happen all that is due up to `until_s`, and make that the time."""
        events = self._events
        while events and events[0][0] <= until_s:
            self.now, _, event = heappop(events)
            event()
        self.now = max(self.now, until_s)

    def finish(self) -> None:
        """Let everything happen; the time is then that of the last event."""
        while self._events:
            self.advance(self._events[0][0])
