"""Postgres of compose's own configuration, with TLS, and a replica that streams from it."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from inference_site.stack import debian
from inference_site.stack.debian import Package
from inference_site.stack.leash import Child, Command
from inference_site.stack.postgres import Postgres, unprivileged
from inference_site.stack.private_files import private_dir, write_private
from inference_site.stack.services import PROJECT
from tests.smoke.addresses import Addresses
from tests.smoke.rendering import Rendered
from tests.support.wait import wait_until

# The embedded Postgres of the other tests is built without TLS.
LIBRARIES = ("postgresql-client-15", "libpq5", "libxml2", "libicu", "libldap", "libsasl2", "libgssapi", "libkrb5")
PACKAGE = Package("postgresql-15", LIBRARIES, "PATH to one's folder")
INSTALLED = Path("/usr/lib/postgresql")
BACKUP_S = 120.0
REPLICA = "replica"
LAG = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 FROM pg_stat_replication WHERE state = 'streaming'"
SUPERUSER, OWNER, RUNTIME = "inference", "inference_owner", "inference_runtime"


class Primary(Postgres):
    """The primary, by the rendered postgresql.conf and pg_hba.conf."""

    _locale = ("--locale=C.UTF-8",)  # Debian's has no other provider of it

    def __init__(self, run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare to serve from `run_dir`, with the superuser's rendered password."""
        home = private_dir(private_dir(run_dir) / "postgres")
        write_private(home / "password", rendered.passwords[SUPERUSER])
        super().__init__(run_dir)
        self.port, self._rendered = addresses.port(self.name), rendered

    @property
    def url(self) -> str:
        """Return the URL of the superuser, over TLS with the server's name checked."""
        return self._rendered.database_url(SUPERUSER)

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
        files = {"config_file": self._rendered.postgres_conf, "hba_file": self._rendered.hba, "port": self.port}
        flags = [word for key, value in files.items() for word in ("-c", f"{key}={value}")]
        argv = [str(self._programs / "postgres"), "-D", str(self._data), *flags]
        command = Command(
            name=self.name, argv=argv, env=os.environ, death=signal.SIGINT, before=unprivileged()
        )
        self.child = Child(command, run_dir=self.run_dir)


class Replica(Primary):
    """A copy of the primary that follows it."""

    name = REPLICA

    def __init__(self, run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare to follow the primary from `run_dir`."""
        shutil.rmtree(run_dir, ignore_errors=True)
        super().__init__(run_dir, rendered=rendered, addresses=addresses)
        self.port = addresses.port(self.name)

    def start(self) -> None:
        """Copy the primary, and follow it; return when the copy streams."""
        program, source = str(self._programs / "pg_basebackup"), f"{self.url}&application_name={REPLICA}"
        words = ["-D", str(self._data), "-d", source, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]
        subprocess.run([*unprivileged(), program, *words], check=True, timeout=BACKUP_S, env=os.environ)
        self._run()

    def wait_ready(self) -> None:
        """Return once it streams."""
        wait_until(lambda: self.lag_bytes() is not None, what="a replica that streams")

    def lag_bytes(self) -> float | None:
        """Return by how many bytes it is behind the primary; None if it does not stream."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(LAG).fetchall()
        return next((lag for (lag,) in rows if lag is not None), None)


@functools.cache
def programs() -> Path:
    """Return the folder of the programs of a Postgres with TLS: an installed one's, else Debian's, unpacked."""
    found = sorted(path.parent for path in INSTALLED.glob("*/bin/pg_basebackup") if _complete(path.parent))
    return found[-1] if found else debian.unpacked(PROJECT / ".run/postgres-root", PACKAGE) / "usr/lib/postgresql/15/bin"


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("postgres", "initdb"))
