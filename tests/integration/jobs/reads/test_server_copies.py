"""What a login without rights sees of a real server's archive and slots."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from inference_site.stack.postgres import binaries
from jobs.services.reads.server_copies import ServerCopies, copies_of
from tests.support.restored import ArchivingPostgres
from tests.support.wait import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivingPostgres]:
    with ArchivingPostgres(tmp_path_factory.mktemp("copies")) as server:
        yield server


@pytest.fixture
def owner(server: ArchivingPostgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.url, autocommit=True) as session:
        yield session


@pytest.fixture
def nobody(server: ArchivingPostgres, owner: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    owner.execute("DROP ROLE IF EXISTS without_rights")
    owner.execute("CREATE ROLE without_rights LOGIN PASSWORD 'p'")
    url = conninfo.make_conninfo(server.url, user="without_rights", password="p")
    with psycopg.connect(url, autocommit=True) as session:
        yield session


def test_an_archive_that_refuses_is_seen_until_it_takes_the_log_again(
    server: ArchivingPostgres, owner: psycopg.Connection[Any], nobody: psycopg.Connection[Any]
) -> None:
    server.archive_all()
    assert copies_of(nobody).archive_failing_s == 0.0
    away = server.archive.rename(server.archive.with_name("away"))
    owner.execute("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'test', 'something')")
    wait_until(lambda: copies_of(nobody).archive_failing_s > 0.0)
    away.rename(server.archive)
    wait_until(lambda: copies_of(nobody).archive_failing_s == 0.0, limit_s=120.0)  # it waits for a minute


def test_an_archive_that_hangs_is_seen_though_nothing_fails(
    server: ArchivingPostgres, owner: psycopg.Connection[Any], nobody: psycopg.Connection[Any]
) -> None:
    server.archive_all()
    failed = owner.execute("SELECT failed_count FROM pg_stat_archiver").fetchone()
    wait_until(lambda: copies_of(nobody).archive_failing_s == 0.0)
    names = owner.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchall()
    pipe = server.archive / names[0][0]  # a copy to it waits for a reader
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    for _ in range(2):
        owner.execute("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'test', 'something')")
    wait_until(lambda: copies_of(nobody).archive_failing_s > 0.0)
    assert owner.execute("SELECT failed_count FROM pg_stat_archiver").fetchone() == failed
    assert len(pipe.read_bytes()) > 0
    wait_until(lambda: copies_of(nobody).archive_failing_s == 0.0)


def test_a_slot_is_active_while_it_is_read_and_says_how_much_is_left(
    server: ArchivingPostgres, owner: psycopg.Connection[Any], nobody: psycopg.Connection[Any], tmp_path: Path
) -> None:
    owner.execute("SELECT pg_create_physical_replication_slot('standby', true)")
    owner.execute("SELECT pg_create_physical_replication_slot('of_a_session', true, true)")  # temporary
    try:
        owner.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))")
        (slot,) = copies_of(nobody).slots
        assert (slot.slot, slot.active) == ("standby", False)
        assert slot.behind_bytes is not None
        assert slot.behind_bytes >= 100_000
        words = [str(binaries() / "pg_receivewal"), "-D", str(tmp_path), "-d", server.url, "-S", "standby"]
        with subprocess.Popen(words) as reader:
            wait_until(lambda: copies_of(nobody).slots[0].active)
            reader.terminate()
        wait_until(lambda: not copies_of(nobody).slots[0].active)
    finally:
        owner.execute("SELECT pg_drop_replication_slot('standby')")


def test_a_server_without_archive_and_standby_says_so(session: Any) -> None:
    connection = session.connection.driver_connection
    assert copies_of(connection) == ServerCopies(0.0, [])
