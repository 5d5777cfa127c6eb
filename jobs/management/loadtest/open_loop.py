"""Sends each call at its moment, whatever became of those before it, and follows the accepted jobs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from jobs.core.loadtest.load_plan import PlannedCall
from jobs.core.states import TERMINAL
from jobs.management.loadtest.http_lines import LOST, HttpReply, NoLineError
from jobs.management.loadtest.job_followers import Follow
from jobs.management.loadtest.load_record import JobRecord, LoadRecord
from jobs.management.loadtest.platform_calls import (
    JobUrls,
    PlatformCalls,
    SeenItem,
    SeenItems,
    SeenJob,
    is_failure,
    problem_of_reply,
    reason_of,
)

LEAD_S = 0.1  # from the preparation to the first call
LONG_S = 1.0  # a wait that Ctrl-C has to end


class OpenLoop:
    """One run of a plan; `stop` ends the sending early."""

    def __init__(
        self, calls: PlatformCalls, record: LoadRecord, follow: Follow | None, *, bulk: bool
    ) -> None:
        self._calls, self._record, self._follow, self._bulk = calls, record, follow, bulk
        self._loop = asyncio.get_running_loop()
        self._tasks = set[asyncio.Task[None]]()
        self.start = 0.0
        self._template: asyncio.Task[tuple[str, JobUrls] | None] | None = None
        self._stopped = asyncio.Event()

    @property
    def stopped(self) -> bool:
        """Return whether the sending was ended early."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()

    def abandon(self) -> None:
        """Wait for no answer and no end any more."""
        for task in self._tasks:
            task.cancel()

    async def send(self) -> None:
        """Send every call of the plan, each at its moment."""
        with _no_collector():
            self.start = self._loop.time() + LEAD_S
            for number, call in enumerate(self._record.calls):
                await self._until(self.start + call.at_s)
                if self.stopped:
                    return
                self._begin(self._submit(number, call))

    async def follow(self, limit_s: float) -> None:
        """Wait for the answers and the ends that are awaited, for up to `limit_s`."""
        deadline = self._loop.time() + limit_s
        while self._tasks and (left_s := deadline - self._loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until(self, moment: float) -> None:
        """Wait for a moment, and let others run in any case; timers fire up to half a ms early."""
        if (left_s := moment - self._loop.time()) > LONG_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s - LONG_S / 2):
                    await self._stopped.wait()
                    return
        await asyncio.sleep(max(0.0, moment - self._loop.time()))
        while (left_s := moment - self._loop.time()) > 0 and not self.stopped:  # noqa: ASYNC110  # seldom
            await asyncio.sleep(left_s)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _now_s(self) -> float:
        return self._loop.time() - self.start

    async def _submit(self, number: int, call: PlannedCall) -> None:
        self._record.sent(number, self._now_s())
        try:
            reply = await self._calls.submit(call, bulk=self._bulk)
        except NoLineError:
            return self._record.unsent(number, "no free connection")
        except LOST as error:
            return self._record.failed(number, _kind(error))
        except asyncio.CancelledError:
            return self._record.failed(number, "no answer before the end of the test")
        jobs = self._record.jobs_of[number]
        if is_failure(reply):
            self._record.failed(number, f"http {reply.status}")
        elif not reply.ok:
            problem = problem_of_reply(reply)
            for job in jobs:
                self._record.refused(job, reason_of(problem), problem.detail)
        else:
            try:
                await self._answered(reply, jobs)
            except msgspec.MsgspecError:  # a page of a proxy, say
                self._record.failed(number, f"http {reply.status} with what is no answer of the API")
        return None

    async def _answered(self, reply: HttpReply, jobs: list[JobRecord]) -> None:
        """Take what an answer says of a call's jobs; MsgspecError where it is not the API's."""
        if self._bulk:
            return self._take_items(msgspec.json.decode(reply.body, type=SeenItems).jobs, reply, jobs)
        seen = msgspec.json.decode(reply.body, type=SeenJob)
        self._record.accepted(jobs[0], seen.id, reply.at - self.start)
        return await self._end(jobs[0], seen, reply.at)

    def _take_items(self, items: Iterable[SeenItem], reply: HttpReply, jobs: list[JobRecord]) -> None:
        unanswered = dict(enumerate(jobs))
        for item in items:
            job = unanswered.pop(item.index, None) if item.problem or item.id else None
            if job is None:
                continue
            if item.problem is not None:
                self._record.refused(job, reason_of(item.problem), item.problem.detail)
            else:
                self._record.accepted(job, item.id, reply.at - self.start)
                self._begin(self._end(job, SeenJob(item.id, item.state), reply.at))
        self._record.left_out(len(unanswered))

    async def _end(self, job: JobRecord, seen: SeenJob, at: float) -> None:
        """See the end of an accepted job."""
        if seen.state in TERMINAL:  # its result was there already
            self._record.ended(job, seen.state, at - self.start)
        elif self._follow is not None:
            urls = seen.urls or await self._urls(seen.id, job.planned.client)
            end = urls and await self._follow(seen.id, urls, job.planned.client)
            if end:
                self._record.ended(job, end[0], end[1] - self.start)

    async def _urls(self, job_id: str, client: int) -> JobUrls | None:
        """Return the addresses of a job of a bulk call, whose answer names none: those of another's."""
        if self._template is None:
            self._template = self._loop.create_task(self._read_urls(job_id, client))
        template = await self._template
        return template and template[1].of(template[0], job_id)

    async def _read_urls(self, job_id: str, client: int) -> tuple[str, JobUrls] | None:
        try:
            reply = await self._calls.get(f"{self._calls.url}/api/v1/jobs/{job_id}", client)
            urls = msgspec.json.decode(reply.body, type=SeenJob).urls
        except (*LOST, NoLineError, msgspec.MsgspecError):
            return None
        return None if urls is None else (job_id, urls)


def _kind(error: BaseException) -> str:
    return "timeout" if isinstance(error, TimeoutError) else type(error).__name__


@contextmanager
def _no_collector() -> Iterator[None]:
    """Turn the garbage collector off while calls are sent: a full collection would make them late."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
