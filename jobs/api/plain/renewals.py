"""Keeps warm what plain submits read from the process's caches, so that none of them waits for a read.

What is used is read again on a thread shortly before its time is over, once for all calls. A call waits only
where nothing that may still be used is there: the first of all, and one after a pause. Nothing is read while
nobody calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial

import psycopg
from django.db import DatabaseError, close_old_connections

from jobs.api.http.doorkeeper import OnThread
from jobs.core.errors import UnavailableError
from jobs.db import database_clock
from jobs.services.access import owner
from jobs.services.admission.queues import queues
from jobs.services.circuits import reads as circuits
from models_registry import flag_reads, selectors

ROUNDS = 3  # while one thing is read, the time of another may end
MOST_READS = 32  # under way: made-up tokens and models must not make those wait that are known
EARLY = 0.6  # the part of its time after which something is read again, beside the calls
LATE = 0.9  # after which a call waits for that read: the rest may pass while its steps are taken


@dataclass(frozen=True, slots=True)
class CachedRead:
    """Something in a cache, how much of its time is over (at 1 it must be read), and how it is read."""

    name: Hashable
    used_life: Callable[[], float]
    read: Callable[[], object]


_ALWAYS = (
    CachedRead("circuits", circuits.used_life, circuits.renew_circuits),
    CachedRead("queues", lambda: queues.used_life, queues.read),
    CachedRead("flags", flag_reads.used_flag_life, flag_reads.renew_flags),
    CachedRead("clock", lambda: float(database_clock.is_stale()), database_clock.refresh),
)


class Renewals:
    """The reads of one event loop that are under way."""

    def __init__(self, on_thread: OnThread) -> None:
        """Prepare to read by `on_thread`."""
        self._on_thread = on_thread
        self._reading: dict[Hashable, asyncio.Task[None]] = {}

    async def of_token(self, digest: bytes) -> None:
        """Return once a token is cached, or cannot be read now."""
        token = CachedRead(digest, partial(owner.used_life, digest), partial(owner.renew_owner, digest))
        await self._fresh(token)

    async def of_model(self, ref: str) -> None:
        """Return once all that decides about a job of a model is cached, or cannot be read now."""
        model = CachedRead(("model", ref), partial(selectors.used_life, ref), partial(selectors.renew, ref))
        await self._fresh(model, *_ALWAYS)

    async def _fresh(self, *needs: CachedRead) -> None:
        for _ in range(ROUNDS):
            missing = list[asyncio.Task[None]]()
            for need in needs:
                used_life = need.used_life()
                reading = self._read_once(need) if used_life >= EARLY else None
                if used_life >= LATE:
                    if reading is None:
                        return  # Django's road reads it
                    missing.append(reading)
            if not missing:
                return
            await asyncio.wait(missing)

    def _read_once(self, need: CachedRead) -> asyncio.Task[None] | None:
        """Return the task that reads something; None where too many others are read now."""
        reading = self._reading.get(need.name)
        if reading is None and len(self._reading) < MOST_READS:
            # Other calls wait for it, too: its log lines carry the id of none.
            reading = asyncio.create_task(self._read(need), context=Context())
            self._reading[need.name] = reading
            reading.add_done_callback(lambda _: self._reading.pop(need.name))
        return reading

    async def _read(self, need: CachedRead) -> None:
        with suppress(DatabaseError, psycopg.Error, UnavailableError):  # Django's road reports it
            await self._on_thread(_on_thread, need)


def _on_thread(need: CachedRead) -> None:
    close_old_connections()
    need.read()
