"""`python -m tests.chaos.load RUN_DIR HISTORY SEED RATE`: an app that posts jobs whatever happens.

A call without an answer is made again with its Idempotency-Key until it has one. A new rate (jobs a second)
on standard input replaces the old; at its end the load finishes the calls that it has begun, and ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.mix import Call, draw
from tests.chaos.records import Recorder

TICK_S, TIMEOUT_S, AGAIN_S = 0.05, 10.0, 0.5
MOST_CALLS = 24  # in flight: more would only wait in the web server's queue
LAST_S = 90.0  # how long calls are repeated once the load is to end
JOBS = "/api/v1/jobs"
UNAVAILABLE = {429, 500, 502, 503, 504}


class Load:
    """Posts what the seed draws, at `rate` jobs a second or as fast as it is answered."""

    def __init__(self, info: dict[str, Any], recorder: Recorder, seed: str, rate: float) -> None:
        headers = {"Authorization": f"Bearer {info['token']}"}
        self.http = httpx.AsyncClient(
            base_url=info["api"], headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        self.recorder, self.rate, self.seed = recorder, rate, seed
        self.chance = random.Random(seed)
        self.calls: set[asyncio.Task[None]] = set()
        self.made = 0
        self.ending = asyncio.Event()

    async def run(self) -> None:
        asyncio.get_running_loop().add_reader(sys.stdin, self._listen)
        owed = 0.0
        while not self.ending.is_set():
            owed = min(owed + self.rate * TICK_S, self.rate)
            while owed > 0 and len(self.calls) < MOST_CALLS:
                owed -= self._begin(draw(self.chance))
            await asyncio.sleep(TICK_S)
        await asyncio.wait(self.calls or {asyncio.create_task(asyncio.sleep(0))}, timeout=LAST_S)
        self.recorder.write("load ended", unfinished=len([c for c in self.calls if not c.done()]))

    def _listen(self) -> None:
        line = sys.stdin.readline().strip()
        if line:
            self.rate = float(line)
        else:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            self.ending.set()

    def _begin(self, call: Call) -> int:
        self.made += 1
        task = asyncio.create_task(self._make(call, f"{self.seed}/{self.made}"))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)
        return len(call.jobs)

    async def _make(self, call: Call, key: str) -> None:
        body = json.dumps(call.jobs if call.bulk else call.jobs[0])
        answer = await self._answered(f"{JOBS}/bulk" if call.bulk else JOBS, body, key)
        ids, expects = _accepted(answer, call)
        if not ids:
            self.recorder.write("refused", key=key, status=answer.status_code, text=answer.text[:300])
            return
        self.recorder.accepted(ids, expects, model=call.model, hurried=call.hurried)
        await self._meddle(call, ids)

    async def _answered(self, path: str, body: str, key: str) -> httpx.Response:
        while True:
            try:
                answer = await self.http.post(path, content=body, headers={"Idempotency-Key": key})
                if answer.status_code not in UNAVAILABLE:
                    return answer
                self.recorder.write("unavailable", key=key, status=answer.status_code, text=answer.text[:200])
            except httpx.HTTPError as error:
                self.recorder.write("unanswered", key=key, error=type(error).__name__)
            await asyncio.sleep(AGAIN_S)

    async def _meddle(self, call: Call, ids: list[str]) -> None:
        """Cancel the first of the call's jobs, replay the last, where the seed says so."""
        if call.cancel:
            self.recorder.write("cancel", job=ids[0])  # before it is done: its answer may be lost
            await self._act(ids[0], "cancel")
        if call.replay and (call.cancel or "poison" in call.expects):
            await asyncio.sleep(1.0)
            await self._act(ids[0] if call.cancel else ids[call.expects.index("poison")], "replay")

    async def _act(self, job: str, verb: str) -> None:
        try:
            answer = await self.http.post(f"{JOBS}/{job}/{verb}")
            self.recorder.write("act", verb=verb, job=job, status=answer.status_code)
        except httpx.HTTPError as error:
            self.recorder.write("act", verb=verb, job=job, error=type(error).__name__)


def _accepted(answer: httpx.Response, call: Call) -> tuple[list[str], list[str]]:
    """Return the ids that the answer accepts, with what is expected of each."""
    if answer.status_code not in {200, 202}:
        return [], []
    told = answer.json()["jobs"] if call.bulk else [answer.json()]
    pairs = [(job["id"], expect) for job, expect in zip(told, call.expects, strict=True) if "id" in job]
    return [job for job, _ in pairs], [expect for _, expect in pairs]


if __name__ == "__main__":
    run_dir, path, seed, rate = sys.argv[1:]
    info = json.loads((Path(run_dir) / "stack.json").read_text())
    asyncio.run(Load(info, Recorder(Path(path)), seed, float(rate)).run())
