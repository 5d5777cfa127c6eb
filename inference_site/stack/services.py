"""Postgres and RabbitMQ while a `with` block runs, or the servers that the environment names."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from inference_site.stack.leash import end_recorded
from inference_site.stack.postgres import Postgres
from inference_site.stack.rabbitmq import RabbitMQ
from inference_site.stack.served import stop_together
from inference_site.stack.stack_errors import StartError
from jobs.core.access.database_rights import RUNTIME_LOGINS, DatabaseRole

STARTS = 3
LOGIN = RUNTIME_LOGINS[0]
PROJECT = Path(__file__).resolve().parents[2]
UNPACK_ROOT = PROJECT / ".run" / "rabbitmq-root"


class Services:
    """`with Services(run_dir=…) as env:` gives DATABASE_URL, BROKER_URL and RABBITMQ_MANAGEMENT_URL.

    A DATABASE_URL or BROKER_URL in the environment is used instead of a new server.
    """

    def __init__(
        self, *, run_dir: Path, durable: bool = True, environ: Mapping[str, str] | None = None
    ) -> None:
        """Choose what to start in `run_dir`; if not `durable`, a power cut may lose all data."""
        self._environ = os.environ if environ is None else environ
        self.rabbitmq: RabbitMQ | None = None
        self.postgres: Postgres | None = None
        self._run_dir = run_dir
        if not self._environ.get("BROKER_URL"):
            self.rabbitmq = RabbitMQ(run_dir, unpack_root=UNPACK_ROOT, durable=durable)
        if not self._environ.get("DATABASE_URL"):
            self.postgres = Postgres(run_dir, durable=durable)

    @property
    def started(self) -> list[Postgres | RabbitMQ]:
        """Return the servers that this object starts, the one that takes longer first."""
        return [server for server in (self.rabbitmq, self.postgres) if server is not None]

    @property
    def env(self) -> dict[str, str]:
        """Return the three URLs, of our own servers and of those that the environment names."""
        names = ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL")
        urls = {name: self._environ.get(name, "") for name in names}
        if self.postgres is not None:
            urls["DATABASE_URL"] = self.postgres.url
        if self.rabbitmq is not None:
            urls["BROKER_URL"] = self.rabbitmq.url
            urls["RABBITMQ_MANAGEMENT_URL"] = self.rabbitmq.management_url
        return urls

    @property
    def superuser_env(self) -> dict[str, str]:
        """Return the variables with which `database_roles` runs; none for a database that is not ours."""
        if self.postgres is None:
            return {}
        passwords = {
            "DATABASE_OWNER_PASSWORD": self.postgres.password_of(DatabaseRole.OWNER),
            "DATABASE_RUNTIME_PASSWORD": self.postgres.password_of(LOGIN),
        }
        return {"DATABASE_URL": self.postgres.url, **passwords}

    @property
    def owner_env(self) -> dict[str, str]:
        """Return the variable with which `migrate` runs."""
        return {} if self.postgres is None else {"DATABASE_URL": self.postgres.url_of(DatabaseRole.OWNER)}

    @property
    def runtime_env(self) -> dict[str, str]:
        """Return the variable with which every program runs, as in production."""
        return {} if self.postgres is None else {"DATABASE_URL": self.postgres.url_of(LOGIN)}

    @property
    def monitor_env(self) -> dict[str, str]:
        """Return the variables with which Flower runs: at our own RabbitMQ it may only read."""
        return {} if self.rabbitmq is None else self.rabbitmq.monitor_env

    def __enter__(self) -> dict[str, str]:
        """Start the servers, and return the URLs when they answer."""
        self.start()
        return self.env

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the servers."""
        self.stop()

    def start(self) -> Self:
        """End processes that a killed start left here, start the servers; return when they answer."""
        end_recorded(self._run_dir)
        with ExitStack() as undo:
            undo.callback(self.stop)
            for server in self.started:
                server.start()
            for server in reversed(self.started):
                _persist(server)
            undo.pop_all()
        return self

    def stop(self) -> None:
        """End the servers; a second call does nothing."""
        stop_together(self.started)


def _persist(server: Postgres | RabbitMQ) -> None:
    # Another process may take a free port before the server binds it.
    for _ in range(STARTS - 1):
        try:
            return server.wait_ready()
        except StartError:
            stop_together([server])
            server.forget_ports()
            server.start()
    return server.wait_ready()
