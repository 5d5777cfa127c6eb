"""The queues in which there was nothing to publish: nobody looks at them until something comes.

A submit signals its queue. What comes without a signal (a retry whose time has come, a transaction that
committed late, a signal that was lost, a message that a worker lost, a dead letter) is found by one look at
all of them a few times a second, which costs a few microseconds a queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from jobs.core.relay.past_walk import PastWalk
from jobs.services.relay.feeder import QueueFeeder
from jobs.services.relay.resting_statements import RestingMark, old_rows, stirred
from jobs.services.relay.waiting_groups import PAST_EVERY_S, REST, SIGNAL_OVERLAP_S, SLACK_S

LOOK_EVERY_S = 0.25
COUNTS_A_LOOK = 4  # of jobs in flight, for the metric
Feeders = Mapping[str, QueueFeeder]


class Found(NamedTuple):
    """Queues to feed now, and those with dead letters to publish."""

    due: set[str]
    dead: set[str]


class RestingQueues:
    """Looks at the queues whose feeders rest; times are of a clock that only goes forward."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to look; `clock` returns monotonic seconds."""
        self._clock = clock
        self._walk = PastWalk()
        self._now_s = 0.0
        self.look_at = self._past_at = 0.0
        self._due_at: dict[str, float] = {}

    @property
    def next_at(self) -> float:
        """Return when the next look is due, or the first job of a queue."""
        return min([self.look_at, *self._due_at.values()])

    def came_due(self, now: float) -> set[str]:
        """Return the queues whose first job, which a look saw, is due now; each once."""
        due = {queue for queue, at in self._due_at.items() if at <= now}
        for queue in due:
            del self._due_at[queue]
        return due

    def look(self, session: sa.Connection, feeders: Feeders, *, awake: Collection[str] = ()) -> Found:
        """Look at all queues once; the resting ones that have nothing begin where this look ended.

        Of those that are `awake` only the dead letters are looked for: their feeders look at the rest.
        """
        began = self._clock()
        marks = [RestingMark(queue, *feeder.marks) for queue, feeder in feeders.items()]
        rows, self._now_s = stirred(session, marks, slack_s=SLACK_S)
        ended = self._clock()
        self.look_at = began + max(LOOK_EVERY_S, REST * (ended - began))
        resting = feeders.keys() - set(awake)
        self._due_at = {
            row.queue: ended + row.due_s - self._now_s
            for row in rows
            if row.queue in resting and row.due_s is not None
        }
        # What came a moment ago is taken as after a signal: one statement a queue, also in a burst into all.
        moment_s = self._now_s - SIGNAL_OVERLAP_S
        old = {row.queue for row in rows if row.overdue or (row.due_s is not None and row.due_s <= moment_s)}
        due = {row.queue for row in rows if row.overdue and row.queue in resting} | self.came_due(ended)
        for queue in resting:
            if queue not in due:
                feeders[queue].looked(self._now_s)
            elif queue in old:
                feeders[queue].wake()
        self._count(session, feeders.values())
        return Found(due, {row.queue for row in rows if row.dead})

    def look_at_the_past(self, session: sa.Connection, feeders: Feeders) -> set[str]:
        """Read one slice of the past, if it is time to; return the queues with jobs below their marks."""
        began = self._clock()
        part = self._walk.slice(self._now_s)
        if began < self._past_at or not self._now_s or part is None or not feeders:
            return set()
        start_s, end_s = part
        rows = old_rows(session, list(feeders), start_s=start_s, end_s=end_s)
        for row in rows:
            feeders[row.queue].lies_below((row.priority, row.client), row.low_s, published=row.published)
        took_s = self._clock() - began
        self._walk.read(start_s, took_s=took_s, now_s=self._now_s)
        self._past_at = began + max(PAST_EVERY_S, REST * took_s)
        return {row.queue for row in rows}

    def _count(self, session: sa.Connection, feeders: Iterable[QueueFeeder]) -> None:
        """Count again what the fed queues hold, a few at a time: claims lower it, and nobody tells."""
        for feeder in sorted(feeders, key=lambda feeder: feeder.counted_at)[:COUNTS_A_LOOK]:
            feeder.count(session)
