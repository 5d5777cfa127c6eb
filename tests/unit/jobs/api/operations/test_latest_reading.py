"""One thread reads for all who ask, goes on after any failure, and ends when no one asks any more."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from jobs.api.operations import latest_reading
from jobs.api.operations.latest_reading import LatestReading
from tests.support.wait import wait_until


class Database:
    """Counts its connections; `fails` are raised by the next reads."""

    def __init__(self, *fails: Exception) -> None:
        self.fails, self.opened, self.closed, self.reads = [*fails], 0, 0, 0

    def open(self) -> Any:
        self.opened += 1
        return self

    def close(self) -> None:
        self.closed += 1

    def read(self, _session: Any) -> int:
        self.reads += 1
        if self.fails:
            raise self.fails.pop(0)
        return self.reads


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr(latest_reading, "OperationsReads", lambda _clock: database)
    monkeypatch.setattr(latest_reading, "reading_of", lambda rows: rows)
    monkeypatch.setattr(latest_reading, "EVERY_S", 0.02)
    monkeypatch.setattr(latest_reading, "UNWATCHED_S", 0.3)
    return database


def test_many_who_ask_share_what_one_connection_reads_and_it_ends_without_them(database: Database) -> None:
    latest = LatestReading(database.open)
    assert {latest.get() is not None for _ in range(20)} == {True}
    assert database.opened == 1
    wait_until(lambda: database.closed == 1)
    assert latest.get() is not None
    wait_until(lambda: database.closed == 2)
    assert database.opened == 2, "it began again"


def test_where_no_thread_could_start_the_next_who_asks_tries_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoThread:
        def __init__(self, **_: Any) -> None: ...

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    latest = LatestReading(database.open)
    with monkeypatch.context() as full:
        full.setattr(latest_reading, "Thread", NoThread)
        with pytest.raises(RuntimeError):
            latest.get()
    assert latest.get() is not None
    wait_until(lambda: database.closed == 1)


def test_after_a_failure_of_any_kind_the_next_read_is_on_another_connection(database: Database) -> None:
    database.fails = [psycopg.OperationalError("gone"), ValueError("a mistake of ours")]
    latest = LatestReading(database.open)
    made = latest.get()
    assert made is not None
    assert (database.opened, database.closed) == (3, 2)
    wait_until(lambda: database.closed == 3)
