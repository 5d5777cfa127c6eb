"""A page shows the rest where the database does not say how its copies are."""

from __future__ import annotations

from typing import Any, NoReturn

import psycopg

from jobs.exporting.page_reading import copies_or_none


class Refusing:
    """A session of a database of another make."""

    def __getattr__(self, name: str) -> NoReturn:
        raise psycopg.errors.UndefinedFunction(name)


def test_what_a_database_does_not_say_is_left_out() -> None:
    session: Any = Refusing()
    assert copies_or_none(session) is None
