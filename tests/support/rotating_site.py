"""A site with the roles and users of production, whose secrets compose/render.py makes and rotates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from psycopg.conninfo import conninfo_to_dict

from inference_site.process_needs import RUNTIME_PASSWORDS
from inference_site.stack.private_files import private_dir
from inference_site.stack.services import Services
from tests.support import compose_files
from tests.support.site import Site
from tests.support.steady_load import SteadyLoad, unanswered
from tests.support.virtual_hosts import management, virtual_host
from tests.support.wait import wait_until

MODEL = "echo:sealed"
MORE = 20  # jobs between two steps
GAP_S = 0.06  # between two calls, so that the load is no more than a busy machine serves
SEALED = (
    'register_model echo sealed --no-load --loader entry_point --options {"encrypt":true}'
    " --artifact models_registry.loaders.builtin:echo"
)
TAKEN = ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "PII_KEY", "PAYLOAD_KEYS")  # as they stand in their files
PASSWORDS = ("DATABASE_OWNER_PASSWORD", *RUNTIME_PASSWORDS)


class RotatingSite:
    """A site whose processes are replaced one kind after the other, each new one beside the old.

    `whole` says whether the last rotation came to its end; after another no test can begin with this site.
    """

    def __init__(self, folder: Path, servers: Services, broker: str) -> None:
        self.whole, self.token, self.urls = True, "", list[str]()
        self._compose, self._servers, self._broker = private_dir(folder / "compose"), servers, broker
        compose_files.rendered(self._compose)
        self.site = Site(folder / "site", {"BROKER_URL": broker, **self._secrets()})
        self._numbers, self._names = count(), list[str]()

    def prepare(self) -> None:
        """Make what `migrate` and its friends make in production, a token, and the first processes."""
        self.database_roles()
        owner = {"DATABASE_URL": self.database_url("owner")}
        self.site.commands("migrate --verbosity 0", "retention", "register_builtin_models", env=owner)
        self.import_definitions()
        made = self.site.commands(SEALED, "create_token rotated --never-expires --no-quotas")
        self.token = made.split()[-1]
        self.replace()

    def render(self, *words: str) -> None:
        """Run compose/render.py; what is started from now on has what it wrote."""
        ended = compose_files.render(self._compose, *words)
        assert ended.returncode == 0, ended.stderr
        self.site.env.update(self._secrets())

    def database_roles(self) -> None:
        """Do what the service `database-roles` does."""
        superuser = {"DATABASE_URL": self._servers.env["DATABASE_URL"]}
        files = {f"{name}_FILE": str(self._secret(name)) for name in PASSWORDS}
        self.site.commands("database_roles", env=superuser | files)

    def import_definitions(self) -> None:
        """Give the broker's users their rendered passwords, as `rabbitmqctl import_definitions` does."""
        text = (self._compose / "rendered/rabbitmq/definitions.json").read_text()
        text = text.replace('"/"', json.dumps(urlsplit(self._broker).path.removeprefix("/")))
        with management() as http:
            http.post("definitions", json=json.loads(text)).raise_for_status()

    def database_url(self, name: str = "runtime") -> str:
        """Return a rendered URL, but for the place of the server, and its TLS, which this one has not."""
        login = conninfo_to_dict((self._compose / f"rendered/urls/database-{name}").read_text())
        server = urlsplit(self._servers.env["DATABASE_URL"])
        place = f"{login['user']}:{login['password']}@{server.hostname}:{server.port}"
        return server._replace(netloc=place).geturl()

    def broker_url(self, user: str) -> str:
        """Return the broker's URL of one of production's users, of a broker without TLS."""
        rendered = (self._compose / f"rendered/urls/broker-{user}").read_text()
        return urlsplit(self._broker)._replace(netloc=_at(rendered, self._broker)).geturl()

    def replace(self, load: SteadyLoad | None = None, *, cut_off: bool = False) -> None:
        """Start new processes with the settings as they are, lead the calls there, and end the old ones.

        `cut_off` says that the old ones have lost the broker.
        """
        number, before, site = next(self._numbers), self._names, self.site
        web, relay, worker = self._names = [f"{name}-{number}" for name in ("web", "relay", "worker")]
        url = site.start_web(web, BROKER_URL="")
        site.start_relay(relay, BROKER_URL=self.broker_url("relay"))
        site.start_worker(worker, index=number, BROKER_URL=self.broker_url("worker"))
        site.wait_web(web, url)
        site.wait_relay(relay)
        site.wait_worker(worker, alone=cut_off)
        self.urls.append(url)
        if load is not None:
            load.urls.append(url)
            self.goes_on(load)
        for name in before:
            site.stop(name)

    @contextmanager
    def under_load(self) -> Iterator[SteadyLoad]:
        """Submit jobs during the block; no call fails, and each job has one result, at its first attempt."""
        self.whole = False
        with SteadyLoad(self.urls[-1:], self.token, model=MODEL, gap_s=GAP_S) as load:
            self.goes_on(load)
            yield load
            self.goes_on(load)
            load.stop()
        assert load.errors == []
        jobs = list(load.accepted)
        wait_until(lambda: unanswered(self.site, load.accepted) == 0, what="answers")
        attempts = "SELECT DISTINCT attempts FROM jobs_job WHERE id = ANY(%s::uuid[])"
        assert self.site.rows(attempts, jobs) == [(1,)]
        results = "SELECT count(*) FROM jobs_jobresult WHERE job_id = ANY(%s::uuid[])"
        assert self.site.value(results, jobs) == len(jobs)
        self.whole = True

    def goes_on(self, load: SteadyLoad) -> None:
        """Wait until more jobs were accepted since now, and are answered."""
        self.accepts(load)
        seen = dict(load.accepted)
        wait_until(lambda: unanswered(self.site, seen) == 0, what="answers")
        assert load.errors == []

    def accepts(self, load: SteadyLoad) -> None:
        """Wait until more jobs were accepted since now."""
        aim = len(load.accepted) + MORE
        wait_until(lambda: load.errors or len(load.accepted) >= aim, what="accepted jobs")
        assert load.errors == []

    def _secrets(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url(),
            **{name: self._secret(name).read_text() for name in TAKEN},
        }

    def _secret(self, name: str) -> Path:
        return self._compose / "rendered/secrets" / name


def _at(login: str, server: str) -> str:
    return f"{urlsplit(login).netloc.rpartition('@')[0]}@{urlsplit(server).netloc.rpartition('@')[2]}"


@contextmanager
def rotating_site(folder: Path) -> Iterator[RotatingSite]:
    """Yield a site on a Postgres of its own and in a virtual host of this run's broker."""
    with ExitStack() as ends:
        broker = ends.enter_context(virtual_host())
        servers = Services(run_dir=folder / "servers", durable=False, environ={"BROKER_URL": broker})
        ends.callback(servers.stop)
        servers.start()
        running = RotatingSite(folder, servers, broker)
        ends.enter_context(running.site)
        running.prepare()
        yield running


def connections_of(user: str) -> list[dict[str, Any]]:
    """Return the connections of a user of this run's broker."""
    with management() as http:
        listed: list[dict[str, Any]] = http.get("connections").raise_for_status().json()
    return [one for one in listed if one["user"] == user]


def close_connections(user: str) -> int:
    """Cut a user's connections to this run's broker off; return how many there were."""
    found = connections_of(user)
    with management() as http:
        for one in found:
            http.delete(f"connections/{quote(one['name'], safe='')}")
    return len(found)
