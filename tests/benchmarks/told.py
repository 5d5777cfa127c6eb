"""From stored to told, by each way to wait for a job.

A few clients at a time post a job that takes a while and wait for its end. Stored is the moment at which the
settle's commit is heard of; beside it stands the time from `finished_at`, when that transaction began.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from inference_site.stack.services import PROJECT
from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.benchmarks.poisson import stored_moments
from tests.benchmarks.waiting import Door, told_after_s

JOBS, CLIENTS = 300, 3  # as many as a web process lets wait on its threads
GOAL_MS = 20
BASE_S = 0.1
JOB = {"model": "sleeper:slow", "input": {}}
BATCHES = "SELECT id::text, 'batch:' || batch_id FROM jobs_job"
Seen = tuple[str, float, float]  # a job, when its end was told, and the seconds since `finished_at`
Way = Callable[[Door, Door], Awaitable[dict[str, Any]]]


def measure() -> Iterator[Figure]:
    with bed("told", ("web", "stream", "relay")) as ground:
        register_slow(ground)
        with ground.worker("sleeper"), stored_moments(ground.stack.info["database"]) as stored:
            for name, way in WAYS.items():
                seen = asyncio.run(_wait_by(ground, way))[CLIENTS * 5 :]
                batches: dict[str, str] = dict(ground.database.execute(BATCHES).fetchall())
                yield from _figures(name, seen, [told - stored[batches[job]] for job, told, _ in seen])


def _figures(name: str, seen: Sequence[Seen], waits: Sequence[float]) -> Iterator[Figure]:
    yield at_most(f"p95 by {name}", percentile(waits, 0.95) * 1e3, GOAL_MS, "ms")
    parts = ((f"p{share * 100:.0f}", share) for share in (0.5, 0.95))
    since = [after for *_, after in seen]
    told = ", ".join(f"{what} {percentile(since, share) * 1e3:.1f}" for what, share in parts)
    yield Figure("p50; since the settle began", f"{percentile(waits, 0.5) * 1e3:.1f} ms; {told} ms")


def register_slow(ground: Bed) -> None:
    """Register a `sleeper` that takes so long that every client waits before it ends."""
    words = ["manage.py", "register_model", "sleeper", "slow", "--loader", "entry_point"]
    words += ["--artifact", "models_registry.loaders.builtin:sleeper"]
    words += ["--options", f'{{"base_s": {BASE_S}}}']
    subprocess.run([sys.executable, *words], env=ground._env(), cwd=PROJECT, check=True, capture_output=True)


async def _wait_by(ground: Bed, way: Way) -> list[Seen]:
    info = ground.stack.info
    api, stream = Door(info["api"], info["token"]), Door(info["stream"], info["token"])

    async def wait() -> Seen:
        job = await way(api, stream)
        return job["id"], time.time(), told_after_s(job)

    async def client() -> list[Seen]:
        return [await wait() for _ in range(JOBS // CLIENTS)]

    rounds = await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return [wait for each in zip(*rounds, strict=True) for wait in each]


async def _long_poll(api: Door, stream: Door) -> dict[str, Any]:
    return await stream.poll((await api.submit(JOB))["id"], 30)


async def _events(api: Door, stream: Door) -> dict[str, Any]:
    return await stream.follow((await api.submit(JOB))["id"])


async def _prefer(api: Door, _stream: Door) -> dict[str, Any]:
    return await api.submit(JOB, "wait=30")


WAYS: dict[str, Way] = {
    "long-poll": _long_poll,
    "server-sent events": _events,
    "`Prefer: wait`": _prefer,
}
