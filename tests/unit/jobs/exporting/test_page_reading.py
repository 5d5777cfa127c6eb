"""A page shows the rest where something cannot be read."""

from __future__ import annotations

from typing import Any, NoReturn

import psycopg
import pytest

from jobs.exporting import page_reading
from jobs.exporting.page_reading import PARTS, read_parts


class Refusing:
    """A session of a database of another make, or one whose tables are locked."""

    def __getattr__(self, name: str) -> NoReturn:
        raise psycopg.errors.UndefinedFunction(name)


def test_what_a_database_does_not_say_is_left_out() -> None:
    session: Any = Refusing()
    assert list(read_parts(session)) == []


@pytest.mark.parametrize("refused", PARTS)
def test_a_part_that_is_refused_leaves_the_others(refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(session: Any) -> str:
        return "read"

    def refuse(session: Any) -> NoReturn:
        raise psycopg.errors.LockNotAvailable

    monkeypatch.setattr(page_reading, "PARTS", {part: refuse if part == refused else read for part in PARTS})
    session: Any = None
    assert dict(read_parts(session)) == {part: "read" for part in PARTS if part != refused}
