"""Postgres and RabbitMQ for as long as a `with` lasts, or the servers the environment names."""

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

STARTS = 3
PROJECT = Path(__file__).resolve().parents[2]
UNPACK_ROOT = PROJECT / ".run" / "rabbitmq-root"


class Services:
    """`with Services(run_dir=…) as env:` gives DATABASE_URL, BROKER_URL and RABBITMQ_MANAGEMENT_URL.

    A DATABASE_URL or BROKER_URL that the environment already has is used as it is.
    """

    def __init__(
        self, *, run_dir: Path, durable: bool = True, environ: Mapping[str, str] | None = None
    ) -> None:
        """Choose what to start under `run_dir`; with `durable` off, speed is bought with safety."""
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
        """Return the servers that are ours, the slower to start first."""
        return [server for server in (self.rabbitmq, self.postgres) if server is not None]

    @property
    def env(self) -> dict[str, str]:
        """Return the three URLs, ours where a server is ours."""
        names = ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL")
        given = {name: self._environ.get(name, "") for name in names}
        if self.postgres is not None:
            given["DATABASE_URL"] = self.postgres.url
        if self.rabbitmq is not None:
            given["BROKER_URL"] = self.rabbitmq.url
            given["RABBITMQ_MANAGEMENT_URL"] = self.rabbitmq.management_url
        return given

    def __enter__(self) -> dict[str, str]:
        """Start both at once and return the URLs when both answer."""
        self.start()
        return self.env

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End whatever was started."""
        self.stop()

    def start(self) -> Self:
        """End what a killed start left here, start both at once; return when both answer."""
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
        """End whatever was started; safe to call again."""
        stop_together(self.started)


def _persist(server: Postgres | RabbitMQ) -> None:
    # A port that was free when picked may be taken by the time it is bound.
    for _ in range(STARTS - 1):
        try:
            return server.wait_ready()
        except StartError:
            stop_together([server])
            server.forget_ports()
            server.start()
    return server.wait_ready()
