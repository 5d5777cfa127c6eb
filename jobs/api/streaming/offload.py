"""Make a view of a row; off the event loop where the storage has to be asked for its output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from jobs.db.positional import Row
from jobs.services.reads.job_views import is_far

Made = TypeVar("Made")


async def run(make: Callable[[Row], Made], row: Row) -> Made:
    """Return `make(row)`."""
    return await asyncio.to_thread(make, row) if is_far(row) else make(row)
