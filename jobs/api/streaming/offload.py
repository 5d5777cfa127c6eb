"""Build a result from a row; on a thread where its output, or a key that opens it, has to be fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

from jobs.services.reads.job_views import JobRow

Built = TypeVar("Built")


async def run(build: Callable[[JobRow], Built], row: JobRow) -> Built:
    """Return `build(row)`."""
    return await asyncio.to_thread(_on_thread, build, row) if row.is_remote else build(row)


def _on_thread(build: Callable[[JobRow], Built], row: JobRow) -> Built:
    try:
        return build(row)
    finally:
        connection.close()  # the thread may have read a key, and must not keep a connection for that
