"""The time from a stored result to the client, by each way to wait for a job.

A few clients at a time post a job that takes a while and wait for its end. A result counts as stored when the
notification of the commit arrives; the time since `finished_at`, when that transaction began, is shown too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.benchmarks.poisson import stored_moments
from tests.benchmarks.waiting import Server, since_end_s
from tests.support.app import register

JOBS, CLIENTS = 300, 3  # so many clients may wait on the threads of a web process
GOAL_MS = 20
BASE_S = 0.1  # so long that every client waits before its job ends
JOB = {"model": "sleeper:slow", "input": {}}
BATCHES = "SELECT id::text, 'batch:' || batch_id FROM jobs_job"
Answer = tuple[str, float, float]  # a job, when the client had its end, and the seconds since `finished_at`
Way = Callable[[Server, Server], Awaitable[dict[str, Any]]]


def measure() -> Iterator[Figure]:
    with bed("told", ("web", "stream", "relay")) as ground:
        register(ground.stack, "sleeper", "slow", "sleeper", base_s=BASE_S)
        with ground.worker("sleeper"), stored_moments(ground.stack) as stored:
            for name, way in WAYS.items():
                answers = asyncio.run(_wait_by(ground, way))[CLIENTS * 5 :]
                batches: dict[str, str] = dict(ground.database.execute(BATCHES).fetchall())
                waits = [at - stored[batches[job]] for job, at, _ in answers]
                yield from _figures(name, answers, waits)


def _figures(name: str, answers: Sequence[Answer], waits: Sequence[float]) -> Iterator[Figure]:
    yield at_most(f"p95 by {name}", percentile(waits, 0.95) * 1e3, GOAL_MS, "ms")
    parts = ((f"p{share * 100:.0f}", share) for share in (0.5, 0.95))
    since = [after for *_, after in answers]
    beside = ", ".join(f"{what} {percentile(since, share) * 1e3:.1f}" for what, share in parts)
    yield Figure("p50; since the settle began", f"{percentile(waits, 0.5) * 1e3:.1f} ms; {beside} ms")


async def _wait_by(ground: Bed, way: Way) -> list[Answer]:
    info = ground.stack.info
    api, stream = Server(info["api"], info["token"]), Server(info["stream"], info["token"])

    async def wait() -> Answer:
        job = await way(api, stream)
        return job["id"], time.time(), since_end_s(job)

    async def client() -> list[Answer]:
        return [await wait() for _ in range(JOBS // CLIENTS)]

    rounds = await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return [answer for answers in zip(*rounds, strict=True) for answer in answers]


async def _long_poll(api: Server, stream: Server) -> dict[str, Any]:
    return await stream.poll((await api.submit(JOB))["id"], 30)


async def _events(api: Server, stream: Server) -> dict[str, Any]:
    return await stream.follow((await api.submit(JOB))["id"])


async def _prefer(api: Server, _stream: Server) -> dict[str, Any]:
    return await api.submit(JOB, "wait=30")


WAYS: dict[str, Way] = {
    "long-poll": _long_poll,
    "server-sent events": _events,
    "`Prefer: wait`": _prefer,
}
