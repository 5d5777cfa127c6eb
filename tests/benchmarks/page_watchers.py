"""Many who watch the live page at once, in a process of their own.

python -m tests.benchmarks.page_watchers URL SESSION NUMBER

Prints `ready` once each has a reading, and on the end of its input, how many readings all had.
"""

from __future__ import annotations

import asyncio
import sys

import httpx

READING = b"event: reading"


class PageWatchers:
    """Reads a stream as often as asked, and counts."""

    def __init__(self, url: str, session: str) -> None:
        self.readings = 0
        self.began = 0
        self._url, self._cookies = url, {"sessionid": session}

    async def watch(self) -> None:
        async with (
            httpx.AsyncClient(cookies=self._cookies, timeout=60, trust_env=False) as http,
            http.stream("GET", self._url) as answer,
        ):
            assert answer.status_code == 200, answer.status_code
            first = True
            async for part in answer.aiter_raw():
                self.readings += part.count(READING)
                self.began += first
                first = False


async def main(url: str, session: str, number: int) -> None:
    watchers = PageWatchers(url, session)
    tasks = [asyncio.create_task(watchers.watch()) for _ in range(number)]
    while watchers.began < number:
        if over := [task for task in tasks if task.done()]:
            over[0].result()
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    print(watchers.readings, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
