"""Virtual time: events in order of their time; events of the same time in the order they were scheduled."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

Event = Callable[[], None]


class Agenda:
    """Future events; `now` never goes back."""

    def __init__(self) -> None:
        self.now = 0.0
        self.last_event_s = 0.0
        self._events: list[tuple[float, int, Event]] = []
        self._scheduled = 0

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is scheduled."""
        return not self._events

    def at(self, when_s: float, event: Event) -> None:
        """Schedule `event` for `when_s`, or for now where that is past."""
        self._scheduled += 1
        heappush(self._events, (max(when_s, self.now), self._scheduled, event))

    def after(self, seconds: float, event: Event) -> None:
        """Schedule `event` for `seconds` from now."""
        self.at(self.now + seconds, event)

    def advance(self, until_s: float) -> None:
        """Run all events due up to `until_s`, which is then the time."""
        events = self._events
        while events and events[0][0] <= until_s:
            self.now, _, event = heappop(events)
            self.last_event_s = self.now
            event()
        self.now = max(self.now, until_s)

    def finish(self) -> None:
        """Run all events; the time is then that of the last one."""
        while self._events:
            self.advance(self._events[0][0])
