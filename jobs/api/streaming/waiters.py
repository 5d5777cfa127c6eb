"""The calls that wait for jobs, each with the newest snapshot of its job; on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

from jobs.core.states import TERMINAL
from jobs.services.reads.snapshot import JobSnapshot


class Waiter:
    """Holds the newest snapshot of one job: its end only, or each change where it follows the job."""

    __slots__ = ("_coming", "_is_new", "follow", "newest")

    def __init__(self, *, follow: bool = False) -> None:
        """Begin empty."""
        self.follow, self.newest = follow, None
        self._is_new, self._coming = False, None

    newest: JobSnapshot | None
    _coming: asyncio.Future[None] | None

    def put(self, snapshot: JobSnapshot) -> None:
        """Keep a newer snapshot than the one that is held; two reads may end in the other order."""
        if self.newest is None or snapshot.event_id.age > self.newest.event_id.age:
            self.newest, self._is_new = snapshot, True
            if self._coming is not None and not self._coming.done():
                self._coming.set_result(None)

    def coming(self) -> asyncio.Future[None]:
        """Return a future that is done once there is news; a later call of this or `news` replaces it."""
        coming = self._coming = asyncio.get_running_loop().create_future()
        if self._is_new:
            coming.set_result(None)
        return coming

    async def news(self) -> JobSnapshot:
        """Return the newest snapshot as soon as one was put here since the last call."""
        await self.coming()
        self._is_new = False
        assert self.newest is not None  # noqa: S101  # it is filled
        return self.newest


class Waiters:
    """The waiters by job; false where there is none."""

    def __init__(self) -> None:
        """Begin without waiters."""
        self._waiting: dict[UUID, set[Waiter]] = {}
        self.followed: dict[UUID, set[Waiter]] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self.followed)

    def add(self, job_id: UUID, waiter: Waiter) -> Waiter:
        """Deliver a job's snapshots to `waiter` from now on, and return it."""
        self._of(waiter).setdefault(job_id, set()).add(waiter)
        return waiter

    def remove(self, job_id: UUID, waiter: Waiter) -> None:
        """Deliver nothing more to `waiter`."""
        waiters = self._of(waiter).get(job_id, set())
        waiters.discard(waiter)
        if not waiters:
            self._of(waiter).pop(job_id, None)

    def ids(self) -> set[UUID]:
        """Return every job that a call waits for."""
        return self._waiting.keys() | self.followed.keys()

    def among(self, jobs: Iterable[UUID]) -> set[UUID]:
        """Return those of `jobs` that a call waits for."""
        return {job for job in jobs if job in self._waiting or job in self.followed}

    def has_end(self, job_id: UUID) -> bool:
        """Return whether the job's end was delivered to all of its followers."""
        return all(i.newest is not None and i.newest.view for i in self.followed.get(job_id, ()))

    def deliver(self, snapshot: JobSnapshot) -> None:
        """Deliver a final state to every waiter of the job, any other change to its followers only."""
        if snapshot.view is not None:
            for waiter in self._waiting.get(snapshot.id, ()):
                waiter.put(snapshot)
        elif snapshot.event_id.state in TERMINAL:
            return  # it ended between two reads: the next one brings the whole job
        for waiter in self.followed.get(snapshot.id, ()):
            waiter.put(snapshot)

    def _of(self, waiter: Waiter) -> dict[UUID, set[Waiter]]:
        return self.followed if waiter.follow else self._waiting
