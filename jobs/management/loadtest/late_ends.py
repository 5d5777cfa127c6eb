"""Reads, after the load, the state of accepted jobs whose end was not seen: the sums have to close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from jobs.core.states import TERMINAL
from jobs.management.loadtest.http_lines import LOST, NoLineError
from jobs.management.loadtest.load_record import JobRecord, LoadRecord
from jobs.management.loadtest.platform_calls import PlatformCalls, SeenPage, submitted_s

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
EARLIER_S = 1.0  # ids are made before the transaction that creates the job


async def read_late_ends(
    calls: PlatformCalls, record: LoadRecord, limit_s: float, abandoned: asyncio.Event
) -> None:
    """Read the clients' job lists until every accepted job has ended, for up to `limit_s`."""
    loop = asyncio.get_running_loop()
    deadline, pause_s = loop.time() + limit_s, FIRST_PAUSE_S
    while open_jobs := record.open_jobs():
        for client, jobs in _by_client(open_jobs).items():
            await _look(calls, record, client, jobs)
        if not record.open_jobs() or loop.time() >= deadline or abandoned.is_set():
            return
        await asyncio.sleep(min(pause_s, max(0.0, deadline - loop.time())))
        pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)


async def _look(calls: PlatformCalls, record: LoadRecord, client: int, jobs: dict[str, JobRecord]) -> None:
    """Read one client's list back to the first of its open jobs."""
    first_s = min(time.time(), *map(submitted_s, jobs)) - EARLIER_S
    since = datetime.fromtimestamp(first_s, UTC).isoformat().replace("+00:00", "Z")
    left, cursor = set(jobs), None
    while left and (page := await _page(calls, client, since, cursor)) is not None:
        for seen in page.jobs:
            left.discard(seen.id)
            if seen.id in jobs and seen.state in TERMINAL:
                record.ended(jobs[seen.id], seen.state, None)
        if (cursor := page.next_cursor) is None:
            return


async def _page(calls: PlatformCalls, client: int, since: str, cursor: str | None) -> SeenPage | None:
    try:
        return await calls.page(client, since, cursor)
    except (*LOST, NoLineError, msgspec.MsgspecError):
        return None


def _by_client(jobs: Iterable[JobRecord]) -> dict[int, dict[str, JobRecord]]:
    by_client: dict[int, dict[str, JobRecord]] = {}
    for job in jobs:
        by_client.setdefault(job.planned.client, {})[job.id] = job
    return by_client
