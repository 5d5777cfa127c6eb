"""Where the jobs of a queue begin in the outbox's indexes, so that no look reads what died before.

A transaction that stays open anywhere in the database keeps every dead row and its index entries. A look from
the beginning of an index would read them all: 40,000 buffers after half an hour at 500 jobs a second. So a
look begins at a mark. A row is always stored with a `due` of about now or later, and what becomes due is
found by three looks, each wider and rarer than the one before:

    near    at every look: clients whose jobs became due since the last wide look
    wide    twice a second: the last SLACK_S seconds, for rows whose transaction committed late
    past    slice after slice back to the beginning, for whatever was stored below a mark
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection

import sqlalchemy as sa

from jobs.core.relay.past_walk import PastWalk
from jobs.core.relay.publish_policy import VISIBILITY_S
from jobs.services.relay.group_statements import FreshGroup, FreshGroups, every_group, groups, older
from jobs.services.relay.in_flight_statements import any_overdue, in_flight
from jobs.services.relay.statements import DueRow

SLACK_S = 5.0
WIDE_EVERY_S = 0.5
OVERLAP_S = 0.1  # between two looks, for transactions that were under way
SIGNAL_OVERLAP_S = 1.0  # the same where a signal says that one has ended, which may have been a long one
REST = 10  # a look that took long is not repeated before so many times its duration
PAST_EVERY_S = 1.0
COUNT_REST = 2
WHOLE_COUNT_EVERY_S = 1.0


class WaitingGroups:
    """The groups (priority and client) with jobs to publish in one queue."""

    def __init__(self, queue: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to look at `queue`; `clock` returns monotonic seconds."""
        self._queue, self._clock = queue, clock
        self._lows: dict[tuple[int, int], float] | None = None
        self._now_s = 0.0
        self._wide_at = self._past_at = self._rests_until = 0.0
        self._walk = PastWalk()
        self.in_flight = InFlightCount(queue, clock=clock)

    def fresh(self, session: sa.Connection) -> FreshGroups:
        """Return the known groups and from when on to look for others."""
        if self._clock() >= self._wide_at:
            self._look(session)
        lows = self._lows or {}
        return FreshGroups([FreshGroup(*key, low_s) for key, low_s in lows.items()], self.since_s)

    @property
    def none_known(self) -> bool:
        """Return whether nothing waited at the last look, which need not be repeated yet."""
        return self._lows is not None and not self._lows and self._clock() < self._wide_at

    @property
    def since_s(self) -> float:
        """Return the time from which on jobs of groups that are not known are looked for."""
        return self._now_s - OVERLAP_S

    @property
    def signalled_since_s(self) -> float:
        """Return the time from which on to look after a signal."""
        return self._now_s - SIGNAL_OVERLAP_S

    def looked(self, now_s: float) -> None:
        """Note that a look at the last SLACK_S seconds found nothing, at the database's time `now_s`."""
        self._now_s, self._wide_at = now_s, self._clock() + WIDE_EVERY_S
        self.in_flight.none_overdue(now_s)

    def look_again(self) -> None:
        """Make the next look a wide one, unless the last one took too long."""
        self._wide_at = min(self._wide_at, self._rests_until)

    def lies_below(self, key: tuple[int, int], low_s: float) -> None:
        """Note that a group has jobs from `low_s` on."""
        if self._lows is not None:
            self._lows[key] = min(low_s, self._lows.get(key, low_s))

    def look_at_the_past(self, session: sa.Connection) -> None:
        """Read one slice of the past, if it is time to: jobs that lie below a mark are known again."""
        began = self._clock()
        part = self._walk.slice(self._now_s)
        if began < self._past_at or self._lows is None or part is None:
            return
        start_s, end_s = part
        for row in older(session, self._queue, start_s=start_s, end_s=end_s):
            if row.published:
                self.in_flight.overdue_since(row.low_s)
            else:
                self.lies_below((row.priority, row.client), row.low_s)
        took_s = self._clock() - began
        self._walk.read(start_s, took_s=took_s, now_s=self._now_s)
        self._past_at = began + max(PAST_EVERY_S, REST * took_s)

    def _look(self, session: sa.Connection) -> None:
        began = self._clock()
        if self._lows is None:
            known = every_group(session, self._queue)
        else:
            known = [FreshGroup(*key, low_s) for key, low_s in self._lows.items()]
        waiting, self._now_s = groups(
            session, self._queue, known=known, since_s=self.since_s, slack_s=SLACK_S
        )
        self._lows = {(group.priority, group.client): group.low_s for group in waiting}
        self._rests_until = began + REST * (self._clock() - began)
        self._wide_at = max(began + WIDE_EVERY_S, self._rests_until)


class InFlightCount:
    """Counts the jobs that were published and not yet claimed, and knows since when some may be overdue."""

    def __init__(self, queue: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to count those of `queue`."""
        self._queue, self._clock = queue, clock
        self._jobs = Counter[tuple[int, int]]()
        self._low_s = self._overdue_s = 0.0
        self._count_at = self._whole_at = 0.0

    def count(self, session: sa.Connection) -> Counter[tuple[int, int]]:
        """Count by API priority and client; what was published since a count a moment ago is added to it."""
        began = self._clock()
        if began >= self._count_at:
            self._count(session, began)
        return self._jobs

    @property
    def at_most(self) -> Counter[tuple[int, int]]:
        """Return the last count and what was published since: claims only lower it."""
        return self._jobs

    def whole(self, session: sa.Connection) -> int:
        """Return how many there are, overdue ones included."""
        return in_flight(session, self._queue, since_s=self._overdue_s).jobs.total()

    def published(self, rows: Collection[DueRow]) -> None:
        """Add rows that were taken for publishing."""
        self._jobs.update((row.envelope.priority, row.envelope.client) for row in rows)

    def any_overdue(self, session: sa.Connection) -> bool:
        """Return whether a message in flight has outlived its visibility time."""
        look = any_overdue(session, self._queue, since_s=self._overdue_s)
        if not look.overdue:
            self.none_overdue(look.now_s)
        return look.overdue

    def none_overdue(self, now_s: float) -> None:
        """Note that nothing was overdue at the database's time `now_s`."""
        self._overdue_s = now_s - SLACK_S

    def overdue_since(self, due_s: float) -> None:
        """Note a row in flight that has been due since then."""
        self._overdue_s = min(self._overdue_s, due_s)

    @property
    def overdue_s(self) -> float:
        """Return the time since when rows may be overdue."""
        return self._overdue_s

    def _count(self, session: sa.Connection, began: float) -> None:
        whole = began >= self._whole_at
        counted = in_flight(session, self._queue, since_s=self._overdue_s if whole else self._low_s)
        # A publish makes a row due later than a visibility time from now: none can come below the mark.
        none_before_s = counted.now_s + VISIBILITY_S - SLACK_S
        self._low_s = min(counted.oldest_s or none_before_s, none_before_s)
        self._jobs = counted.jobs
        ended = self._clock()
        self._count_at = ended + COUNT_REST * (ended - began)
        if whole:
            self._whole_at = began + WHOLE_COUNT_EVERY_S
