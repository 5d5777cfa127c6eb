"""Addresses as real hosts have them: every driver reaches the same database, or says which part is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.stack.services import PROJECT

NAME, ROLE, PASSWORD = "данные 1", "rôle", "p@s/s:w %#?&"
# Opens a connection with each driver and prints the database and user that it reached.
OPENERS = """
import asyncio, django
django.setup()
from django.db import connection
from jobs.api.streaming.hub import Hub
from jobs.db.connections import connect
from jobs.db.engine import engine
from jobs.db.session import driver, open_session
from jobs.db.session_settings import Use
from jobs.db.statement import Statement
from jobs.result_backend import _engine
from django.conf import settings

WHO = "SELECT current_database() || ' as ' || current_user"
with connection.cursor() as cursor:
    cursor.execute(WHO)
    print(cursor.fetchone()[0])
with engine().begin() as bulk:
    print(bulk.exec_driver_sql(WHO).scalar_one())
with open_session() as session:
    print(driver(session).execute(WHO).fetchone()[0])
with connect("test", Use.READ) as bell:
    print(bell.execute(WHO).fetchone()[0])
with _engine(settings.INFERENCE.database_url).connect() as results:
    print(results.exec_driver_sql(WHO).scalar_one())

async def ask():
    hub = Hub()
    try:
        print((await hub.fetch(Statement(WHO, str), {}))[0])
    finally:
        await hub.stop()

asyncio.run(ask())
"""
DRIVERS = 6


@pytest.fixture
def odd(db: str) -> Iterator[dict[str, str]]:
    """Make a database and a role whose names and password need every escape; return the server's parts."""
    with psycopg.connect(db, autocommit=True) as operator:
        name, role = sql.Identifier(NAME), sql.Identifier(ROLE)
        operator.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(PASSWORD)))
        operator.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, role))
        yield {key: str(value) for key, value in conninfo_to_dict(db).items()}
        operator.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        operator.execute(sql.SQL("DROP ROLE {}").format(role))


def reached(url: str) -> list[str]:
    env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "inference_site.settings"}
    ended = subprocess.run(
        [sys.executable, "-c", OPENERS],
        env=env,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout.split("\n")[:-1]


def address(hosts: str, *, query: str = "") -> str:
    return f"postgresql://{quote(ROLE)}:{quote(PASSWORD, safe='')}@{hosts}/{quote(NAME)}{query}"


def test_odd_names_and_passwords_reach_the_database_with_every_driver(odd: dict[str, str]) -> None:
    url = address(f"{odd['host']}:{odd['port']}")
    assert reached(url) == [f"{NAME} as {ROLE}"] * DRIVERS


def test_the_second_of_two_hosts_is_reached_with_every_driver(odd: dict[str, str]) -> None:
    hosts = f"{LOOPBACK}:{free_port()},{odd['host']}:{odd['port']}"
    url = address(hosts, query="?target_session_attrs=read-write&sslmode=prefer")
    assert reached(url) == [f"{NAME} as {ROLE}"] * DRIVERS


def test_tls_that_is_asked_for_and_not_offered_is_refused_with_every_driver(odd: dict[str, str]) -> None:
    url = address(f"{odd['host']}:{odd['port']}", query="?sslmode=require")
    with pytest.raises(AssertionError, match="SSL"):
        reached(url)
