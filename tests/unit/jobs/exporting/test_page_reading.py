"""A page shows the rest where something cannot be read."""

from __future__ import annotations

from typing import Any, NoReturn

import psycopg

from jobs.exporting.page_reading import read_or
from jobs.services.drift.drift_figures import read_drift
from jobs.services.reads.server_copies import copies_of


class Refusing:
    """A session of a database of another make, or one whose tables are locked."""

    def __getattr__(self, name: str) -> NoReturn:
        raise psycopg.errors.UndefinedFunction(name)


def test_what_a_database_does_not_say_is_left_out() -> None:
    session: Any = Refusing()
    assert read_or(session, copies_of, None) is None
    assert read_or(session, read_drift, ()) == ()
