"""Many clients that wait at once, half by long-poll and half by events, in a process of their own.

python -m tests.benchmarks.waiters_client URL TOKEN < JOB_IDS

Ends when all were told, and prints the seconds from stored to told of each as a JSON list.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.benchmarks.waiting import Door, told_after_s

WAIT_S = 600


async def main(url: str, token: str, jobs: list[str]) -> None:
    door = Door(url, token)
    print(json.dumps(await asyncio.gather(*(_wait(door, at, job) for at, job in enumerate(jobs)))))


async def _wait(door: Door, at: int, job: str) -> float:
    return told_after_s(await (door.follow(job) if at % 2 else door.poll(job, WAIT_S)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.stdin.read().split()))
