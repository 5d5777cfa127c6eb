"""Persist: a stage's transaction is tried again until it commits, whatever trouble the database has.

What is one statement is tried once without a transaction: see `try_once`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs.db.single_statements import SingleStatements
from jobs.db.statement import Session
from jobs.db.troubles import BROKEN, trouble_of

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
FIRST_S, LONGEST_S = 0.05, 2.0


def try_once(
    statements: SingleStatements, action: Callable[[Session], Answer], *, engine: sa.Engine
) -> Answer | None:
    """Run `action(connection)`, one statement that commits by itself; None where the database had trouble.

    Then it may have been done nevertheless, as after a lost COMMIT. Other errors are raised.
    """
    try:
        with statements.session() as connection:
            return action(connection)
    except (psycopg.Error, DBAPIError) as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        logger.warning("the database failed: %s", trouble)
        if trouble in BROKEN:
            engine.dispose()
        return None


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
