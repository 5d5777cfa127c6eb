"""The demo as an internal app: its calls of the platform, all through the typed client."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from inference_client import Client, RemoteJob

PAGE = 200  # jobs in one call
POLL_S = 2.0  # to read a page of jobs takes time from the cores that run the model
TIMEOUT_S = 90.0


class DemoError(Exception):
    """The platform failed in the demo; the message says how."""


def submit(platform: Client, requests: Sequence[dict[str, Any]]) -> list[UUID]:
    """Submit jobs in bulk and return their ids, in order."""
    items = platform.submit_many(requests)
    if rejected := [item.problem for item in items if item.problem is not None]:
        raise DemoError(f"{len(rejected)} jobs were rejected: {rejected[:3]}")
    return [item.id for item in items if item.id is not None]


def answer(platform: Client, model: str, value: Any) -> RemoteJob:
    """Submit one urgent job, wait for its end and return it."""
    try:
        return platform.wait(platform.submit(model, value, priority=9), timeout_s=TIMEOUT_S)
    except TimeoutError as error:
        raise DemoError(str(error)) from error


def progress(platform: Client, ids: Sequence[UUID], *, limit_s: float) -> Iterator[int]:
    """Yield the number of jobs that have ended from time to time, until all have."""
    open_ids, deadline = set(ids), time.monotonic() + limit_s
    while open_ids:
        if time.monotonic() > deadline:
            raise DemoError(f"{len(open_ids)} jobs have not ended after {limit_s:.0f} s")
        newest = islice(platform.list(limit=PAGE), len(ids))
        open_ids -= {job.id for job in newest if job.ended}
        yield len(ids) - len(open_ids)
        time.sleep(POLL_S if open_ids else 0.0)
