"""Secrets are replaced while jobs flow: each in the order that compose/PROCEDURES.md gives.

One site serves all tests of this file, for its start takes longest; one in which a rotation broke off is
replaced by another.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.rotating_site import (
    RotatingSite,
    close_connections,
    connections_of,
    rotating_site,
)
from tests.support.wait import wait_until

READERS = 24  # at once, so that web needs more connections than it has


class Sites:
    """The site of the tests: the one before, unless a test left it in the middle of a rotation."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory, self._ends = factory, ExitStack()
        self._running: RotatingSite | None = None

    def whole(self) -> RotatingSite:
        if self._running is None or not self._running.whole:
            self.close()
            folder = self._factory.mktemp("rotation")
            self._running = self._ends.enter_context(rotating_site(folder))
        return self._running

    def close(self) -> None:
        self._running = None
        self._ends.close()


@pytest.fixture(scope="module")
def sites(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    sites = Sites(tmp_path_factory)
    yield sites
    sites.close()


@pytest.fixture
def running(sites: Sites) -> RotatingSite:
    return sites.whole()


def read(running: RotatingSite, job: str) -> httpx.Response:
    url = f"{running.urls[-1]}/api/v1/jobs/{job}"
    return httpx.get(url, headers={"Authorization": f"Bearer {running.token}"}, trust_env=False, timeout=30)


def opened_since(running: RotatingSite, login: str, moment: object) -> set[str]:
    """Which programs have connected with a login since a moment."""
    query = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE usename = %s AND backend_start > %s"
    return {name for (name,) in running.site.rows(query, login, moment)}


def test_a_password_of_the_database(running: RotatingSite) -> None:
    site, name = running.site, "DATABASE_RUNTIME_PASSWORD"
    old = site.env["DATABASE_URL"]
    login = str(conninfo_to_dict(old)["user"])
    with running.under_load() as load, ThreadPoolExecutor(READERS) as readers:
        running.render("--announce", name)
        running.database_roles()
        running.render("--rotate", name)
        assert site.env["DATABASE_URL"] != old
        moment = site.value("SELECT clock_timestamp()")

        def connects_again() -> bool:
            jobs = [*load.accepted][-READERS:]
            answers = {answer.status_code for answer in readers.map(lambda job: read(running, job), jobs)}
            assert answers == {httpx.codes.OK}
            return "web" in opened_since(running, login, moment)

        wait_until(connects_again, what=f"web connects again as {login}")
        running.goes_on(load)
        running.replace(load)
        wait_until(lambda: site.value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", login) == 0)
        running.render("--retire", name)
        running.database_roles()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(old)


def test_a_password_of_the_broker(running: RotatingSite) -> None:
    with running.under_load() as load:
        old = {user: running.broker_url(user) for user in ("relay", "worker")}
        for user in old:
            running.render("--rotate", f"{user.upper()}_PASSWORD")
        running.import_definitions()
        assert all(running.broker_url(user) != url for user, url in old.items())
        running.goes_on(load)  # connections that are open stay
        for user in old:
            assert close_connections(user)
        wait_until(lambda: sum(map(close_connections, old)) == 0, what="none left")
        running.accepts(load)  # jobs wait while their relay and worker cannot connect; calls do not
        assert [user for user in old if connections_of(user)] == []
        running.replace(load, cut_off=True)


def test_the_keys_of_payloads(running: RotatingSite) -> None:
    site, name = running.site, "PAYLOAD_KEYS"
    with running.under_load() as load:
        running.render("--announce", name)  # all can read it before one writes with it
        running.replace(load)
        running.render("--rotate", name)
        running.replace(load)
        site.commands("rotate_payload_keys")
        newest = site.env[name].partition(":")[0]
        assert site.rows("SELECT DISTINCT wrapped_by FROM jobs_datakey") == [(f"aesgcm:{newest}",)]
        running.render("--retire", name)
        assert "," not in site.env[name]
        running.replace(load)
        first, value = next(iter(load.accepted.items()))
        assert read(running, first).json()["output"] == value, "sealed under the old key, read without it"


def test_the_site_s_key(running: RotatingSite) -> None:
    site = running.site
    with running.under_load() as load:
        site.commands("webhook_secret rotated")
        running.render("--rotate", "SECRET_KEY")
        running.replace(load)
        assert "1 secrets of webhooks" in site.commands("rotate_secret_key")
        running.render("--retire", "SECRET_KEY")
        assert site.env["SECRET_KEY_FALLBACKS"] == ""
        running.replace(load)
