"""Build a result from a row; on a thread where its output, or a key that opens it, has to be fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

from jobs.api.output_formats import JobBody, is_slow, job_body
from jobs.services.reads.job_views import JobRow, View

Built = TypeVar("Built")


async def run(build: Callable[[JobRow], Built], row: JobRow) -> Built:
    """Return `build(row)`."""
    return await asyncio.to_thread(_on_thread, build, row) if row.is_remote else build(row)


async def written(view: View, accept: str, *, strict: bool = True) -> JobBody:
    """Return a job as a call asks for it; NotAcceptableError, if `strict`."""
    if is_slow(view):
        return await asyncio.to_thread(job_body, view, accept, strict=strict)
    return job_body(view, accept, strict=strict)


def _on_thread(build: Callable[[JobRow], Built], row: JobRow) -> Built:
    try:
        return build(row)
    finally:
        connection.close()  # the thread may have read a key, and must not keep a connection for that
