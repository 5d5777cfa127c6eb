"""Postgres of compose's own configuration, with TLS, and a replica that streams from it."""

from __future__ import annotations

import functools
import os
import shutil
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from inference_site.stack import debian
from inference_site.stack.debian import Package
from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK
from inference_site.stack.postgres import Postgres, unprivileged
from inference_site.stack.private_files import private_dir, write_private
from inference_site.stack.services import PROJECT
from tests.smoke.addresses import Addresses
from tests.smoke.composed import COMPOSE
from tests.smoke.rendering import Rendered

# The embedded Postgres of the other tests is built without TLS.
LIBRARIES = (
    "postgresql-client-15",
    "libpq5",
    "libxml2",
    "libicu",
    "libldap",
    "libsasl2",
    "libgssapi",
    "libkrb5",
)
PACKAGE = Package("postgresql-15", LIBRARIES, "PATH to one's folder")
INSTALLED = Path("/usr/lib/postgresql")
SCRIPT = COMPOSE / "postgres" / "standby.sh"
BACKUP_S = 120.0
REPLICA = "postgres-replica"
LAG = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 FROM pg_stat_replication
WHERE state = 'streaming'
"""
ROLE = "replicator"
MAKE_ROLE = sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD {}")


class Primary(Postgres):
    """The primary, by the rendered postgresql.conf and pg_hba.conf."""

    _locale = ("--locale=C.UTF-8",)  # Debian's has no other provider of it

    def __init__(self, run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare to serve from `run_dir`, with the superuser's rendered password."""
        home = private_dir(private_dir(run_dir) / "postgres")
        write_private(home / "password", rendered.secret("POSTGRES_PASSWORD"))
        super().__init__(run_dir)
        self.port, self._rendered = addresses.port(self.name), rendered
        self._primary_port = addresses.port(Primary.name)

    @property
    def url(self) -> str:
        """Return the URL of the superuser, over TLS with the server's name checked."""
        return self._rendered.database_url("superuser")

    def start(self) -> None:
        """Start the server without waiting for it."""
        self._create_cluster()
        self._run()

    @property
    def _programs(self) -> Path:
        return programs()

    @property
    def _maintenance_url(self) -> str:
        return self.url.replace("/inference?", "/postgres?")

    def _run(self) -> None:
        config = f"config_file={self._rendered.server_conf(self.name)}"
        argv = [str(self._programs / "postgres"), "-D", str(self._data), "-c", config]
        command = Command(
            name=self.name, argv=argv, env=os.environ, death=signal.SIGINT, before=unprivileged()
        )
        self.child = Child(command, run_dir=self.run_dir)


class Replica(Primary):
    """The standby, which compose's own script makes of the primary."""

    name = REPLICA

    def start(self) -> None:
        """Make the role that copies, then copy the primary and follow it, without waiting for that."""
        with psycopg.connect(self.url) as connection:
            word = sql.Literal(self._rendered.secret("REPLICATION_PASSWORD"))
            connection.execute(MAKE_ROLE.format(sql.Identifier(ROLE), word))
        shutil.rmtree(self._data, ignore_errors=True)
        env = {
            **os.environ,
            "PATH": f"{self._programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PGDATA": str(self._data),
            "CONFIG": str(self._rendered.server_conf(REPLICA)),
            "PRIMARY": LOOPBACK,
            "PORT": str(self._primary_port),
            "RENDERED": str(self._rendered.place),
        }
        argv = ["/bin/sh", str(SCRIPT)]
        command = Command(name=self.name, argv=argv, env=env, death=signal.SIGINT, before=unprivileged())
        self.child = Child(command, run_dir=self.run_dir)

    def wait_ready(self) -> None:
        """Return once it streams."""
        assert self.child is not None
        self.child.wait_until(lambda: self.lag_bytes() is not None, timeout_s=BACKUP_S)

    def lag_bytes(self) -> float | None:
        """Return by how many bytes it is behind the primary; None if it does not stream."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(LAG).fetchall()
        return next((float(lag) for (lag,) in rows if lag is not None), None)


@functools.cache
def programs() -> Path:
    """Return the folder of a Postgres with TLS: an installed one's, else Debian's, unpacked."""
    found = sorted(path.parent for path in INSTALLED.glob("*/bin/pg_basebackup") if _complete(path.parent))
    return (
        found[-1]
        if found
        else debian.unpacked(PROJECT / ".run/postgres-root", PACKAGE) / "usr/lib/postgresql/15/bin"
    )


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("postgres", "initdb"))
