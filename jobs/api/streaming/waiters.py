"""Who waits for which job, and where the newest of it is laid for them; on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

from jobs.core.states import TERMINAL
from jobs.services.reads.snapshot import JobSnapshot


class Waiter:
    """Holds the newest that is known of one job: its end alone, or each change if it follows the job."""

    __slots__ = ("_filled", "follow", "newest")

    def __init__(self, *, follow: bool = False) -> None:
        """Begin empty."""
        self.follow, self.newest = follow, None
        self._filled = asyncio.Event()

    newest: JobSnapshot | None

    def put(self, standing: JobSnapshot) -> None:
        """Keep what is newer than what is held; two reads may end in the other order."""
        if self.newest is None or standing.mark.age > self.newest.mark.age:
            self.newest = standing
            self._filled.set()

    async def news(self) -> JobSnapshot:
        """Return the newest once something was put here since the last call."""
        await self._filled.wait()
        self._filled.clear()
        assert self.newest is not None  # noqa: S101  # it is filled
        return self.newest


class Waiters:
    """The inboxes by job; false where there is none."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._waiting: dict[UUID, set[Waiter]] = {}
        self.followed: dict[UUID, set[Waiter]] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self.followed)

    def add(self, job_id: UUID, inbox: Waiter) -> Waiter:
        """Tell `inbox` of a job from now on, and return it."""
        self._of(inbox).setdefault(job_id, set()).add(inbox)
        return inbox

    def remove(self, job_id: UUID, inbox: Waiter) -> None:
        """Tell it no more."""
        inboxes = self._of(inbox).get(job_id, set())
        inboxes.discard(inbox)
        if not inboxes:
            self._of(inbox).pop(job_id, None)

    def ids(self) -> set[UUID]:
        """Return every job that somebody waits for."""
        return self._waiting.keys() | self.followed.keys()

    def among(self, jobs: Iterable[UUID]) -> set[UUID]:
        """Return those of `jobs` that somebody waits for."""
        return {job for job in jobs if job in self._waiting or job in self.followed}

    def knows_end(self, job_id: UUID) -> bool:
        """Say whether all who follow a job were told its end."""
        return all(i.newest is not None and i.newest.view for i in self.followed.get(job_id, ()))

    def tell(self, standing: JobSnapshot) -> None:
        """Lay an end before all who wait for the job, any other change before those who follow it."""
        if standing.view is not None:
            for inbox in self._waiting.get(standing.id, ()):
                inbox.put(standing)
        elif standing.mark.state in TERMINAL:
            return  # it ended between two reads: the next one brings the whole job
        for inbox in self.followed.get(standing.id, ()):
            inbox.put(standing)

    def _of(self, inbox: Waiter) -> dict[UUID, set[Waiter]]:
        return self.followed if inbox.follow else self._waiting
