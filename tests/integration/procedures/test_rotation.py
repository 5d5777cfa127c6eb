"""Secrets are replaced while jobs flow: each in the order that compose/PROCEDURES.md gives."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.support.site import Site
from tests.support.steady_load import SteadyLoad, unanswered
from tests.support.virtual_hosts import management, virtual_host
from tests.support.wait import wait_until

MODEL = "echo:sealed"
SECOND = "the-second-of-a-test-of-rotations-on-loopback-and-worth-nothing"
MORE = 30  # jobs between two steps
SEALED = (
    'register_model echo sealed --no-load --loader entry_point --options {"encrypt":true}'
    " --artifact models_registry.loaders.builtin:echo"
)
SETS_UP = (
    "migrate --verbosity 0",
    "retention",
    "register_builtin_models",
    SEALED,
    "create_token rotated --never-expires --no-quotas",
)


def key(name: str) -> str:
    return f"{name}:{base64.b64encode(name[0].encode() * 32).decode()}"


class Running:
    """A site whose processes are replaced one kind after the other, each new one beside the old."""

    def __init__(self, site: Site, token: str) -> None:
        self.site, self.token, self.urls = site, token, list[str]()
        self._numbers, self._names = count(), list[str]()

    def load(self) -> SteadyLoad:
        return SteadyLoad(self.urls[-1:], self.token, model=MODEL)

    def replace(self, load: SteadyLoad | None = None) -> None:
        """Start new processes with the settings as they are, lead the calls there, and end the old ones."""
        number, before = next(self._numbers), self._names
        web, relay, worker = self._names = [f"{name}-{number}" for name in ("web", "relay", "worker")]
        url = self.site.start_web(web)
        self.site.start_relay(relay)
        self.site.start_worker(worker, index=number)
        self.site.wait_web(web, url)
        self.site.wait_relay(relay)
        self.site.wait_worker(worker)
        self.urls.append(url)
        if load is not None:
            load.urls.append(url)
            goes_on(self.site, load)
        for name in before:
            self.site.stop(name)


def goes_on(site: Site, load: SteadyLoad) -> None:
    """Wait until more jobs were accepted since now, and are answered."""
    aim = len(load.accepted) + MORE
    wait_until(lambda: len(load.accepted) >= aim, what=lambda: load.errors[-3:])
    wait_until(lambda: unanswered(site, dict([*load.accepted.items()][:aim])) == 0, what="answers")
    assert load.errors == []


def all_answered(site: Site, load: SteadyLoad) -> None:
    load.stop()
    wait_until(lambda: unanswered(site, load.accepted) == 0, what="answers")
    assert load.errors == []
    jobs = list(load.accepted)
    assert site.rows("SELECT DISTINCT attempts FROM jobs_job WHERE id = ANY(%s::uuid[])", jobs) == [(1,)]
    results = "SELECT count(*) FROM jobs_jobresult WHERE job_id = ANY(%s::uuid[])"
    assert site.value(results, jobs) == len(jobs)


@pytest.fixture(scope="module")
def database(services: dict[str, str]) -> Iterator[str]:
    """A database of its own, with a login whose password may be changed; the URL of that login."""
    name = f"rotation_{uuid4().hex[:8]}"
    with psycopg.connect(services["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'first'")
        connection.execute(f"CREATE DATABASE {name} OWNER {name}")
    parts = urlsplit(services["DATABASE_URL"])
    yield urlunsplit(parts._replace(netloc=f"{name}:first@{parts.hostname}:{parts.port}", path=f"/{name}"))
    with psycopg.connect(services["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE {name}")


@pytest.fixture(scope="module")
def login(services: dict[str, str]) -> Iterator[str]:
    """The broker's URL, with a login whose password may be changed."""
    with virtual_host() as url, management() as http:
        name, parts = f"rotating-{uuid4().hex[:8]}", urlsplit(url)
        set_password(http, name, "first")
        rights = dict.fromkeys(("configure", "write", "read"), ".*")
        http.put(f"permissions{parts.path}/{name}", json=rights).raise_for_status()
        yield urlunsplit(parts._replace(netloc=f"{name}:first@{parts.hostname}:{parts.port}"))
        http.delete(f"users/{name}").raise_for_status()


@pytest.fixture(scope="module")
def running(database: str, login: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    env = {
        "DATABASE_URL": database,
        "BROKER_URL": login,
        "SECRET_KEY": "of-a-test-of-rotations-on-loopback-and-worth-nothing-to-anybody-else",
        "PAYLOAD_KEYS": key("one"),
    }
    with Site(tmp_path_factory.mktemp("rotation"), env) as site:
        running = Running(site, site.commands(*SETS_UP).split()[-1])
        running.replace()
        yield running


def set_password(http: httpx.Client, user: str, password: str) -> None:
    http.put(f"users/{user}", json={"password": password, "tags": ""}).raise_for_status()


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}"))


def test_a_password_of_the_database(running: Running) -> None:
    site = running.site
    with running.load() as load:
        goes_on(site, load)
        role = urlsplit(site.env["DATABASE_URL"]).username
        with psycopg.connect(site.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {role} PASSWORD 'second'")
        old = site.env["DATABASE_URL"]
        site.env["DATABASE_URL"] = with_password(old, "second")
        goes_on(site, load)  # connections that are open stay
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(old)
        running.replace(load)
        all_answered(site, load)


def test_a_password_of_the_broker(running: Running) -> None:
    site = running.site
    with running.load() as load, management() as http:
        goes_on(site, load)
        set_password(http, str(urlsplit(site.env["BROKER_URL"]).username), "second")
        site.env["BROKER_URL"] = with_password(site.env["BROKER_URL"], "second")
        goes_on(site, load)
        running.replace(load)
        all_answered(site, load)


def test_the_keys_of_payloads(running: Running) -> None:
    site = running.site
    with running.load() as load:
        goes_on(site, load)
        site.env["PAYLOAD_KEYS"] = f"{key('one')},{key('two')}"  # all can read it before one writes with it
        running.replace(load)
        site.env["PAYLOAD_KEYS"] = f"{key('two')},{key('one')}"
        running.replace(load)
        site.commands("rotate_payload_keys")
        assert site.rows("SELECT DISTINCT wrapped_by FROM jobs_datakey") == [("aesgcm:two",)]
        site.env["PAYLOAD_KEYS"] = key("two")
        running.replace(load)
        all_answered(site, load)
        first, value = next(iter(load.accepted.items()))
        answer = httpx.get(
            f"{running.urls[-1]}/api/v1/jobs/{first}",
            headers={"Authorization": f"Bearer {running.token}"}, trust_env=False,
        )  # fmt: skip
        assert answer.json()["output"] == value, "sealed under the old key, read without it"


def test_the_site_s_key(running: Running) -> None:
    site = running.site
    with running.load() as load:
        site.commands("webhook_secret rotated")
        goes_on(site, load)
        site.env["SECRET_KEY_FALLBACKS"], site.env["SECRET_KEY"] = site.env["SECRET_KEY"], SECOND
        running.replace(load)
        assert "1 secrets of webhooks" in site.commands("rotate_secret_key")
        site.env["SECRET_KEY_FALLBACKS"] = ""
        running.replace(load)
        all_answered(site, load)
