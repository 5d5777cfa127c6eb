"""Persist: a stage's transaction is tried again until it commits, whatever trouble the database has."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs.db.troubles import BROKEN, trouble_of

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
FIRST_S, LONGEST_S = 0.05, 2.0


def persist(
    engine: sa.Engine, action: Callable[[sa.Connection, int], Answer], *, stopping: Callable[[], bool]
) -> Answer | None:
    """Run `action(connection, tries)` in a transaction until it commits; None when stopping.

    An error that does not pass, such as a statement that is wrong, is raised.
    """
    tries, pause_s = 0, FIRST_S
    while True:
        try:
            with engine.begin() as connection:
                return action(connection, tries)
        except DBAPIError as error:
            trouble = trouble_of(error)
            if trouble is None:
                raise
            tries += 1
            logger.warning("the database failed, try %d: %s", tries, trouble)
            if trouble in BROKEN:
                engine.dispose()  # its connections may all lead to a server that is read-only now
            if stopping():
                return None
        time.sleep(pause_s)
        pause_s = min(LONGEST_S, 4 * pause_s)
