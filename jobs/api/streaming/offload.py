"""Build a result from a job's row; on a thread where the output has to be fetched from the storage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from jobs.services.reads.job_views import JobRow

Built = TypeVar("Built")


async def run(build: Callable[[JobRow], Built], row: JobRow) -> Built:
    """Return `build(row)`."""
    return await asyncio.to_thread(build, row) if row.is_remote else build(row)
