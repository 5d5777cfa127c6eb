"""`python -m tests.chaos.load RUN_DIR HISTORY SEED RATE`: a client that posts jobs through every fault.

A call without an answer is repeated with its Idempotency-Key until it has one. A new rate (jobs a second)
on standard input replaces the old; at its end the load finishes the calls that it has begun, and ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import httpx

from inference_client import AsyncClient, BulkItem, Patience, PlatformRefusedError, RemoteJob
from tests.chaos.mix import Call, draw
from tests.chaos.records import Recorder

TICK_S, TIMEOUT_S = 0.05, 10.0
PATIENCE = Patience(tries=100_000, base_s=0.5, cap_s=0.5)
MOST_CALLS = 24  # in flight: more would only wait in the web server's queue
FEEDBACK_S = 20.0  # for the end of a job that is rated
MOST_RATED = 8  # at once, beside the calls: the load must not wait for the ends of jobs
LOOK_S = 0.5
LAST_S = 90.0  # how long calls are repeated at the end


class Load:
    """Posts the calls that the seed draws, at `rate` jobs a second or as fast as the API answers."""

    def __init__(
        self,
        client: AsyncClient,
        recorder: Recorder,
        seed: str,
        rate: float,
        *,
        draw: Callable[[random.Random], Call] = draw,
    ) -> None:
        self.client, self._draw = client, draw
        self.recorder, self.rate, self.seed = recorder, rate, seed
        self.chance = random.Random(seed)
        self.calls: set[asyncio.Task[None]] = set()
        self.rated: set[asyncio.Task[None]] = set()
        self.begun = 0
        self.ending = asyncio.Event()

    async def run(self) -> None:
        asyncio.get_running_loop().add_reader(sys.stdin, self._listen)
        owed = 0.0
        while not self.ending.is_set():
            owed = min(owed + self.rate * TICK_S, self.rate)
            while owed > 0 and len(self.calls) < MOST_CALLS:
                owed -= self._begin(self._draw(self.chance))
            await asyncio.sleep(TICK_S)
        await asyncio.wait({*self.calls, *self.rated, asyncio.create_task(asyncio.sleep(0))}, timeout=LAST_S)
        self.recorder.write("load ended", unfinished=len([c for c in self.calls if not c.done()]))

    def _listen(self) -> None:
        lines = os.read(sys.stdin.fileno(), 4_096).decode().split()  # several may have come at once
        if lines:
            self.rate = float(lines[-1])
        else:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            self.ending.set()

    def _begin(self, call: Call) -> int:
        self.begun += 1
        task = asyncio.create_task(self._make(call, f"{self.seed}/{self.begun}"))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)
        return len(call.jobs)

    async def _make(self, call: Call, key: str) -> None:
        try:
            ids, expects = _accepted(await self._submitted(call, key), call)
        except PlatformRefusedError as refused:
            self.recorder.write("refused", key=key, problem=str(refused)[:300])
            return
        self.recorder.accepted([str(job) for job in ids], expects, model=call.model, hurried=call.hurried)
        await self._meddle(call, ids)

    async def _submitted(self, call: Call, key: str) -> Sequence[RemoteJob | BulkItem]:
        if call.bulk:
            return await self.client.submit_many(call.jobs, idempotency_key=key)
        fields = dict(call.jobs[0])
        model, value = fields.pop("model"), fields.pop("input")
        return [await self.client.submit(model, value, idempotency_key=key, **fields)]

    async def _meddle(self, call: Call, ids: list[UUID]) -> None:
        """Cancel the call's first job, replay one of its jobs or rate the last, if the seed says so."""
        if not ids:
            return
        if call.cancel:
            self.recorder.write("cancel", job=str(ids[0]))  # beforehand, because the answer may be lost
            await self._act(ids[0], "cancel")
        if call.replay and (call.cancel or "poison" in call.expects):
            await asyncio.sleep(1.0)
            await self._act(ids[0] if call.cancel else ids[call.expects.index("poison")], "replay")
        if call.feedback and len(self.rated) < MOST_RATED:
            task = asyncio.create_task(self._say(ids[-1]))
            self.rated.add(task)
            task.add_done_callback(self.rated.discard)

    async def _say(self, job: UUID) -> None:
        """Say one thing of a job twice once it has ended, then another, which must not take its place."""
        try:
            async with asyncio.timeout(FEEDBACK_S):  # by reads: no server of waits runs here
                while not (await self.client.get(job)).ended:  # noqa: ASYNC110  # another process ends it
                    await asyncio.sleep(LOOK_S)
            for value in (1.0, 1.0, 2.0):
                said = await self.client.feedback(job, "chaos", value)
                self.recorder.write("feedback", job=str(job), value=said.value)
        except (PlatformRefusedError, httpx.HTTPError, TimeoutError) as error:
            self.recorder.write("act", verb="feedback", job=str(job), error=str(error)[:300])

    async def _act(self, job: UUID, verb: str) -> None:
        try:
            done = await (self.client.cancel(job) if verb == "cancel" else self.client.replay(job))
            self.recorder.write("act", verb=verb, job=str(job), state=done.state)
        except (PlatformRefusedError, httpx.HTTPError) as error:
            self.recorder.write("act", verb=verb, job=str(job), error=str(error)[:300])


def _accepted(items: Sequence[RemoteJob | BulkItem], call: Call) -> tuple[list[UUID], list[str]]:
    """Return the accepted ids, with how each is expected to end."""
    pairs = [(job.id, expect) for job, expect in zip(items, call.expects, strict=True) if job.id is not None]
    return [job for job, _ in pairs], [expect for _, expect in pairs]


if __name__ == "__main__":
    run_dir, path, seed, rate = sys.argv[1:]
    info = json.loads((Path(run_dir) / "stack.json").read_text())
    client = AsyncClient(info["api"], info["token"], patience=PATIENCE, timeout_s=TIMEOUT_S)
    asyncio.run(Load(client, Recorder(Path(path)), seed, float(rate)).run())
