"""Many clients that wait at once, half by long-poll and half by events, in a process of their own.

python -m tests.benchmarks.waiters_client URL TOKEN < JOB_IDS

Ends when every client has its answer; prints the seconds from each job's end to its answer, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.benchmarks.waiting import Server, since_end_s

WAIT_S = 600


async def main(url: str, token: str, jobs: list[str]) -> None:
    server = Server(url, token)
    print(json.dumps(await asyncio.gather(*(_wait(server, at, job) for at, job in enumerate(jobs)))))


async def _wait(server: Server, at: int, job: str) -> float:
    return since_end_s(await (server.follow(job) if at % 2 else server.poll(job, WAIT_S)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.stdin.read().split()))
