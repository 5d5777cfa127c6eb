"""Replay many dead jobs, at a rate that their models can take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from django.db import transaction

from jobs.db.notify import wake_relay
from jobs.db.positional import fetch_all
from jobs.services.dead_letters import reads as letters
from jobs.services.dead_letters.lock_dead import lock_dead
from jobs.services.dead_letters.reads import LetterFilter
from jobs.services.lifecycle.replay import ReplayPace, requeue

CHUNK_JOBS = 1_000
_NOW: LiteralString = "SELECT clock_timestamp()"


def replay_letters(*, wanted: LetterFilter, actor: str, rate: float | None = None, most: int) -> int:
    """Queue again up to `most` dead jobs whose letters match, oldest first; return how many.

    With a `rate` they become due that many a second, else at once. A chunk a transaction: where the database
    fails midway, the chunks before are queued.
    """
    start = now()
    gap_s, replayed = 1.0 / rate if rate else 0.0, 0
    for jobs in chunks(replace(wanted, until=wanted.until or start), most=most):
        with transaction.atomic():
            dead = lock_dead(jobs)
            requeue(dead, actor=actor, pace=ReplayPace(start, replayed, gap_s))
        replayed += len(dead)
        wake_relay()
    return replayed


def now() -> datetime:
    """Return the database's time: what dies later is not meant."""
    moment: datetime = fetch_all(_NOW)[0][0]
    return moment


def chunks(wanted: LetterFilter, *, most: int) -> Iterator[list[UUID]]:
    """Yield the ids, in order, of up to `most` jobs whose letters match, each chunk as it is then."""
    after, left = letters.FIRST_ID, most
    while left > 0 and (jobs := letters.ids(wanted, after=after, most=min(CHUNK_JOBS, left))):
        yield jobs
        after, left = jobs[-1], left - len(jobs)
