"""Try work again that another transaction keeps from its lock."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import Error as DjangoDatabaseError

from jobs.db.troubles import IN_THE_WAY, trouble_of

PATIENCE_S = 600.0
SENTENCE = (
    "Another transaction held a table for {:g} s, so the migration did not get its lock. What was applied"
    " before stays. End the transaction that stays open (see TransactionStaysOpen in compose/RUNBOOKS.md),"
    " then run migrate again."
)
PAUSE_S = 1.0  # those who waited behind the last try go first


class LockNotGivenError(Exception):
    """Another transaction held a table for as long as there was patience."""


def patiently(
    work: Callable[[], object],
    *,
    patience_s: float,
    say: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do `work` until no other transaction is in its way; LockNotGivenError after `patience_s` seconds.

    It must be safe to repeat. Any other error is raised as it is.
    """
    until = clock() + patience_s
    while True:
        try:
            work()
        except DjangoDatabaseError as error:
            if trouble_of(error) not in IN_THE_WAY:
                raise
            if clock() + PAUSE_S > until:
                raise LockNotGivenError(SENTENCE.format(patience_s)) from error
            say("a table is in use by another transaction: tried again in a second")
        else:
            return
        sleep(PAUSE_S)
