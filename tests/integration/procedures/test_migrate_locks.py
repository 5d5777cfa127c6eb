"""`manage.py migrate` takes its locks at once or tries again, so that no others wait behind it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from inference_site.stack.services import PROJECT
from tests.support.wait import wait_until

TABLE, COLUMN = "jobs_trial", "attempts"
BEFORE, AFTER = "0069", "0070"  # the migration between them adds the column
AS_THE_API = "SET lock_timeout = '1s'"
TRIES = 3


def migrating(target: str, *, patience_s: float, log: Path, **variables: str) -> subprocess.Popen[str]:
    words = ["migrate", "jobs", target, "--lock-patience", str(patience_s)]
    with log.open("w") as file:
        env = {**os.environ, **variables}
        return subprocess.Popen(
            [sys.executable, "manage.py", *words], cwd=PROJECT, env=env, text=True, stdout=file, stderr=file
        )


@pytest.fixture(autouse=True)
def newest(db: str) -> Iterator[None]:
    yield
    ran = subprocess.run([sys.executable, "manage.py", "migrate"], cwd=PROJECT, env=os.environ, check=False)
    assert ran.returncode == 0


def has_column(database: str) -> bool:
    with psycopg.connect(database) as connection:
        query = "SELECT FROM information_schema.columns WHERE table_name = %s AND column_name = %s"
        return connection.execute(query, (TABLE, COLUMN)).fetchone() is not None


@contextmanager
def reading(database: str) -> Iterator[list[float]]:
    """Read the table all the time, as the API does; give the longest waits, in seconds. An error fails."""
    waits, stop, failures = [0.0], threading.Event(), list[str]()

    def read() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(AS_THE_API)
            while not stop.wait(0.005):
                began = time.monotonic()
                try:
                    connection.execute(f"SELECT count(*) FROM {TABLE}")
                except psycopg.Error as error:
                    failures.append(str(error))
                waits.append(time.monotonic() - began)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()
    assert failures == []


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "through a pooler"])
def test_behind_a_long_transaction_it_tries_again_and_readers_do_not_wait_for_it(
    db: str, tmp_path: Path, *, pooled: bool
) -> None:
    log = tmp_path / "log"
    variables = {"DATABASE_DIRECT_URL": db} if pooled else {}  # then no session is given a setting
    with psycopg.connect(db) as long, reading(db) as waits:
        long.execute(f"SELECT count(*) FROM {TABLE}")
        process = migrating(BEFORE, patience_s=60, log=log, **variables)
        wait_until(lambda: log.read_text().count("tried again") >= TRIES, what=log.read_text)
        assert process.poll() is None
        long.rollback()
        process.wait(timeout=60)
    assert process.returncode == 0, log.read_text()
    assert not has_column(db)
    assert max(waits) < 1.0


def test_when_patience_ends_it_exits_with_a_sentence_and_nothing_is_half_done(
    db: str, tmp_path: Path
) -> None:
    with psycopg.connect(db) as long:
        long.execute(f"SELECT count(*) FROM {TABLE}")
        process = migrating(BEFORE, patience_s=2, log=tmp_path / "log")
        process.wait(timeout=60)
    said = (tmp_path / "log").read_text()
    assert process.returncode == 1, said
    assert "End the transaction that stays open" in said
    assert has_column(db)
