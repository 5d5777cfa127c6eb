"""The two logins of the runtime role: each has its rights, and is valid while it has a password."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import make_conninfo

from jobs.core.access.database_rights import RUNTIME_LOGINS, DatabaseRole
from tests.support.database_roles import PASSWORDS, make_roles
from tests.support.wait import wait_until

FIRST, SECOND = RUNTIME_LOGINS
ENDED = "password authentication failed"  # whichever password: there is none
Command = Callable[..., tuple[str, str]]


@pytest.fixture
def command(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run `database_roles` with a password for each login; return what it says, and what it warns of."""

    def run(first: str, second: str, *words: str) -> tuple[str, str]:
        config = replace(
            settings.INFERENCE,
            database_owner_password=PASSWORDS[DatabaseRole.OWNER],
            database_runtime_password=first,
            database_runtime_password_b=second,
        )
        monkeypatch.setattr(settings, "INFERENCE", config)
        says, warns = StringIO(), StringIO()
        call_command("database_roles", *words, stdout=says, stderr=warns)
        return says.getvalue(), warns.getvalue()

    yield run
    make_roles()


def login(name: str, password: str) -> psycopg.Connection:
    """Connect as one of the logins, as a program `old-web`."""
    url = make_conninfo(os.environ["DATABASE_URL"], user=name, password=password, application_name="old-web")
    return psycopg.connect(url, autocommit=True)


def test_both_have_the_rights_of_the_role_and_none_over_the_other(command: Command) -> None:
    says, warns = command("one", "two")
    assert (f"{FIRST} and {SECOND}" in says, warns) == (True, "")
    for name, password, other in ((FIRST, "one", SECOND), (SECOND, "two", FIRST)):
        with login(name, password) as session:
            session.execute("DELETE FROM jobs_job WHERE false")
            session.execute("INSERT INTO jobs_event (kind, actor, detail) VALUES ('cancel', 'olga', '{}')")
            assert session.execute("SELECT pg_has_role('pg_read_all_stats', 'USAGE')").fetchone() == (True,)
            for attack in (
                f"ALTER ROLE {other} PASSWORD 'mine'",
                f"SET ROLE {other}",
                f"ALTER ROLE {DatabaseRole.RUNTIME} LOGIN",
                f"GRANT {DatabaseRole.RUNTIME} TO {other}",
                "DELETE FROM jobs_event",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(attack.encode())


def test_one_without_a_password_ends_and_the_other_stays(command: Command) -> None:
    command("one", "two")
    says, warns = command("", "two")
    assert (f"log in as {SECOND}." in says, warns) == (True, "")
    with pytest.raises(psycopg.OperationalError, match=ENDED):
        login(FIRST, "one")
    login(SECOND, "two").close()


def test_one_in_use_stays_valid_until_its_sessions_have_ended_or_are_ended(command: Command) -> None:
    command("one", "two")
    with login(FIRST, "one") as session:
        _, warns = command("", "two")
        assert f"{FIRST} has no password any more and is still valid" in warns
        assert "old-web (1)" in warns
        login(FIRST, "one").close()  # what holds it can connect again
        assert command("", "two", "--end-sessions")[1] == ""
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match=ENDED):
        login(FIRST, "one")


def test_the_login_of_the_release_before_goes_when_no_process_has_it(command: Command) -> None:
    before = DatabaseRole.RUNTIME.value
    command("one", "")
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {before} LOGIN PASSWORD 'before'")
    with login(before, "before") as session:
        assert f"{before} has no password any more and is still valid" in command("one", "")[1]
        session.execute("DELETE FROM jobs_job WHERE false")
        login(before, "before").close()
    wait_until(lambda: command("one", "")[1] == "")
    with pytest.raises(psycopg.OperationalError, match=ENDED):
        login(before, "before")
