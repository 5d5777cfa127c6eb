"""Replay many dead jobs, at a rate that their models can serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jobs.db.notify import wake_relay
from jobs.db.statement import Statement, fetch_all
from jobs.services.dead_letters import reads as dead_letters
from jobs.services.dead_letters.lock_dead import lock_dead
from jobs.services.dead_letters.reads import DeadLetterFilter
from jobs.services.lifecycle.replay import ReplayPace, requeue, with_input

CHUNK_JOBS = 1_000
_NOW = Statement("SELECT clock_timestamp()", datetime)


def replay_dead_letters(
    *,
    selection: DeadLetterFilter,
    actor: str,
    rate: float | None = None,
    most: int,
    go_on: Callable[[], None] = lambda: None,
) -> int:
    """Queue again up to `most` dead jobs whose dead letters match, oldest first; return how many.

    With a `rate` so many become due a second, else all at once. Each chunk is a transaction: where the
    database fails midway, earlier chunks stay queued. `go_on` is called before each, and may end it.
    """
    start = now()
    gap_s, replayed = 1.0 / rate if rate else 0.0, 0
    for jobs in chunks(replace(selection, until=selection.until or start), most=most):
        go_on()
        with transaction.atomic():
            dead = with_input(lock_dead(jobs))  # one whose input is gone keeps no other back
            requeue(dead, actor=actor, pace=ReplayPace(start, replayed, gap_s))
        replayed += len(dead)
        wake_relay()
    return replayed


def now() -> datetime:
    """Return the database's time, the limit of a selection: jobs that die later are not part of it."""
    (moment,) = fetch_all(_NOW)
    return moment


def chunks(selection: DeadLetterFilter, *, most: int) -> Iterator[list[UUID]]:
    """Yield the ids, in order, of up to `most` jobs whose dead letters match, each chunk as it is then."""
    after, remaining = dead_letters.FIRST_ID, most
    while remaining > 0 and (
        jobs := dead_letters.ids(selection, after=after, most=min(CHUNK_JOBS, remaining))
    ):
        yield jobs
        after, remaining = jobs[-1], remaining - len(jobs)
