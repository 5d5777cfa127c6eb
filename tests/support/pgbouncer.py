"""pgbouncer in front of the test's Postgres, in either mode; Debian's, unpacked, where none is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from inference_site.stack import debian
from inference_site.stack.debian import Package
from inference_site.stack.leash import death_words
from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.stack.services import PROJECT
from tests.support.wait import wait_until

PACKAGE = Package("pgbouncer", ("libevent-2", "libc-ares"), "PATH to one's folder")
Mode = Literal["session", "transaction"]
# In a session each client has a server of its own.
SERVERS: dict[Mode, int] = {"transaction": 20, "session": 60}
CONFIG = """
[databases]
{name} = host={host} port={port} dbname={name} user={user} password='{password}'
[pgbouncer]
listen_addr = {loopback}
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {servers}
max_client_conn = 500
server_idle_timeout = 5
{own}
"""
AS_NOBODY = "user = nobody"  # it refuses to be root


@contextmanager
def pgbouncer(database_url: str, mode: Mode, folder: Path, *, own: str = "") -> Iterator[str]:
    """Run a pooler in front of a database for as long as the block lasts; give its URL.

    `own` are further lines of its configuration. It is a stranger to us: everything else has its defaults.
    """
    port = free_port()
    path = folder / f"pgbouncer-{port}.ini"
    words, env = command(database_url, mode, path, port=port, own=own)
    parts = conninfo_to_dict(database_url)
    with path.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen([*death_words(signal.SIGKILL), *words], env=env, stdout=log, stderr=log)
    url = f"postgresql://{parts['user']}:{parts['password']}@{LOOPBACK}:{port}/{parts['dbname']}"
    try:
        wait_until(lambda: _answers(url) or process.poll() is not None)
        assert process.poll() is None, path.with_suffix(".log").read_text()
        yield url
    finally:
        process.kill()
        process.wait()


def command(
    database_url: str, mode: Mode, path: Path, *, port: int, own: str = ""
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Write the configuration of a pooler to `path`; return the command that runs it, and its environment."""
    parts = {name: str(value) for name, value in conninfo_to_dict(database_url).items()}
    text = CONFIG.format(
        name=parts["dbname"], host=parts["host"], port=parts["port"], user=parts["user"],
        password=parts["password"], loopback=LOOPBACK, listen=port, mode=mode, servers=SERVERS[mode],
        own=own if os.geteuid() else f"{AS_NOBODY}\n{own}",
    )  # fmt: skip
    path.touch(mode=0o600)
    path.write_text(text)
    program, env = _program()
    return (program, str(path)), env


def _program() -> tuple[str, dict[str, str]]:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    if program := shutil.which("pgbouncer", path=path):
        return program, dict(os.environ)
    root = debian.unpacked(PROJECT / ".run/pgbouncer-root", PACKAGE)
    libraries = os.pathsep.join(str(folder) for folder in (root / "usr/lib").glob("*-linux-gnu*"))
    return str(root / "usr/sbin/pgbouncer"), os.environ | {"LD_LIBRARY_PATH": libraries}


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
