"""Every connection has the settings that the code relies on, whatever its role or database has of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from jobs.api.streaming.hub import Hub
from jobs.db.connections import connect, connect_to
from jobs.db.engine import engine
from jobs.db.session import driver, open_session
from jobs.db.session_settings import Use
from jobs.db.statement import Statement, fetch_all, run

ODD = {
    "DateStyle": "SQL, DMY", "IntervalStyle": "iso_8601", "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "standard_conforming_strings": "off", "default_transaction_isolation": "serializable",
    "search_path": "pg_temp", "statement_timeout": "1h", "lock_timeout": "1h",
    "idle_in_transaction_session_timeout": "0", "tcp_keepalives_idle": "7200",
    "client_encoding": "LATIN1", "extra_float_digits": "-5", "array_nulls": "off",
}  # fmt: skip
PINNED = {
    "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC", "bytea_output": "hex",
    "standard_conforming_strings": "on", "default_transaction_isolation": "read committed",
    "search_path": '"public"', "tcp_keepalives_idle": "5", "tcp_user_timeout": "15000",
    "client_encoding": "UTF8", "extra_float_digits": "1", "array_nulls": "on",
}  # fmt: skip
SHOW = "SELECT name, setting FROM pg_settings"


class Setting(NamedTuple):
    """One row of SHOW."""

    name: str
    setting: str


_SETTINGS = Statement(SHOW, Setting)


@pytest.fixture(autouse=True)
def odd_role(db: str) -> Iterator[None]:
    """Give the role settings of its own; every connection of the test is opened afterwards."""
    drop_connections()
    with psycopg.connect(db, autocommit=True) as operator:
        role = sql.Identifier(operator.info.user)
        for name, value in ODD.items():
            alter = sql.SQL("ALTER ROLE {} SET {} = {}")
            operator.execute(alter.format(role, sql.SQL(name), sql.Literal(value)))
        yield
        operator.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(role))
    drop_connections()


def drop_connections() -> None:
    connection.close()
    engine().dispose()


def shown(raw: psycopg.Connection[Any]) -> dict[str, str]:
    return dict(raw.execute(SHOW).fetchall())


def assert_pinned(settings: dict[str, str], *, but: str = "") -> None:
    wanted = {name: value for name, value in PINNED.items() if name != but}
    assert {name: settings[name] for name in wanted} == wanted
    assert 0 < int(settings["idle_in_transaction_session_timeout"]) <= 10_000
    assert 0 < int(settings["statement_timeout"]) <= 60_000
    assert "transaction_timeout" not in settings or int(settings["transaction_timeout"]) <= 60_000


def test_a_role_s_own_settings_are_really_odd(db: str) -> None:
    with psycopg.connect(db) as plain:
        assert shown(plain)["DateStyle"] == "SQL, DMY"


def test_a_session_of_a_loop_is_pinned() -> None:
    with closing(open_session()) as session:
        assert_pinned(shown(driver(session)))


def test_a_connection_for_bulk_work_is_pinned_and_its_transactions_read_committed() -> None:
    with engine().begin() as bulk:
        raw: Any = bulk.connection.dbapi_connection
        assert_pinned(shown(raw))
        assert raw.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_bulk_work_stores_text_of_every_language_and_holes_in_arrays() -> None:
    echo = Statement("SELECT unnest(%(texts)s::text[])", object)
    with engine().begin() as bulk:
        assert run(bulk, echo, {"texts": ["日本", None, "é"]}) == ["日本", None, "é"]


def test_django_s_connection_is_pinned() -> None:
    with connection.cursor() as cursor:
        cursor.execute(SHOW)
        assert_pinned(dict(cursor.fetchall()))
    (day,) = fetch_all(Statement("SELECT '2026-02-01'::date::text", str))
    assert day == "2026-02-01"


def test_the_event_loop_s_connections_are_pinned() -> None:
    async def settings() -> dict[str, str]:
        hub = Hub(name="pinned")
        try:
            return {row.name: row.setting for row in await hub.fetch(_SETTINGS, {})}
        finally:
            await hub.stop()

    assert_pinned(asyncio.run(settings()))


def test_a_wake_up_and_a_result_backend_are_pinned_but_for_the_latter_s_schema(db: str) -> None:
    with connect("test", Use.READ) as wake_up:
        assert_pinned(shown(wake_up))
    with connect_to(db, "test", Use.READ) as backend:
        assert_pinned(shown(backend), but="search_path")
        assert shown(backend)["search_path"] == "pg_temp"
