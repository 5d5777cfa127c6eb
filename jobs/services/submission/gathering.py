"""Joins the plain jobs of concurrent calls: while a group is being committed, the next one gathers.

There is no timer: a lone call waits for nobody, and the more calls there are, the larger the groups. Each
call goes on once its own job is durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context

import psycopg

from jobs.core.errors import PlatformError, UnavailableError
from jobs.db.troubles import Trouble, trouble_of
from jobs.services.submission.plain_jobs import Outcomes, PlainJob
from jobs.services.submission.submitted import Submitted

MOST_JOBS = 256  # in a group; a plain job is small
MOST_WAITING = 4_096
MOST_ALONE = 3  # jobs of a failed group that fail alone, too, before the others are not tried any more
Outcome = Submitted | PlatformError
Waiting = tuple[PlainJob, "asyncio.Future[Outcome]"]
log = logging.getLogger(__name__)


class Gathering:
    """The jobs of one event loop that wait to be stored by `store`, group by group."""

    def __init__(self, store: Callable[[Sequence[PlainJob]], Awaitable[Outcomes]]) -> None:
        """Begin with none."""
        self._store = store
        self._waiting = deque[Waiting]()
        self._storing: asyncio.Task[None] | None = None

    async def stored(self, job: PlainJob) -> Submitted:
        """Return the outcome of a job once it is durable; a PlatformError where it is not stored."""
        if len(self._waiting) >= MOST_WAITING:
            raise UnavailableError("Too many jobs wait to be stored: send it again.")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, outcome))
        if self._storing is None or self._storing.done():
            # It stores jobs of many calls, so its log lines carry the id of none.
            self._storing = asyncio.create_task(self._run(), context=Context())
        ended = await outcome
        if isinstance(ended, PlatformError):
            raise ended
        return ended

    async def _run(self) -> None:
        while self._waiting:
            size = min(len(self._waiting), MOST_JOBS)
            group = [self._waiting.popleft() for _ in range(size)]
            try:
                await self._settle(group)
            except Exception:  # a mistake of ours must not leave the others waiting
                log.exception("a group of jobs could not be stored")
                _give(group, UnavailableError())

    async def _settle(self, group: Sequence[Waiting]) -> None:
        """Store a group; where one of its jobs seems to be in the way, each alone."""
        try:
            outcomes = await self._store([job for job, _ in group])
        except (psycopg.Error, UnavailableError) as error:
            if len(group) == 1 or not _of_one_job(error):
                _give(group, _answer(error))
            else:
                await self._settle_each(group)
            return
        for job, outcome in group:
            if not outcome.done():  # its client may be gone
                outcome.set_result(outcomes[job.new.id])

    async def _settle_each(self, group: Sequence[Waiting]) -> None:
        failed = 0
        for number, waiting in enumerate(group):
            if failed >= MOST_ALONE:
                _give(group[number:], UnavailableError("The database cannot take this request now."))
                return
            await self._settle([waiting])
            _, outcome = waiting
            failed += not outcome.cancelled() and isinstance(outcome.result(), UnavailableError)


def _of_one_job(error: Exception) -> bool:
    """Return whether an error may be that of a single job: its row is refused, or a lock is in its way."""
    cause = error.__cause__ if isinstance(error, UnavailableError) else error
    return cause is not None and trouble_of(cause) in {None, Trouble.LOCK}


def _answer(error: psycopg.Error | UnavailableError) -> PlatformError:
    if isinstance(error, UnavailableError):
        return error
    log.error("a job could not be stored", exc_info=error)
    return UnavailableError()


def _give(group: Sequence[Waiting], error: PlatformError) -> None:
    for _, outcome in group:
        if not outcome.done():
            outcome.set_result(error)
