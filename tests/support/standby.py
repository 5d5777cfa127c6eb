"""A standby of a running Postgres, asynchronous, which can be promoted behind its primary's last commits."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psycopg

from inference_site.stack.postgres import Postgres, binaries, unprivileged
from tests.support.wait import wait_until

NAME = "standby"
STREAMING = "SELECT pid FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'"
BACKUP_S = 120.0


class Standby(Postgres):
    """`with Standby(folder, primary) as standby:` follows the server of that URL while the block runs."""

    name = NAME

    def __init__(self, run_dir: Path, primary: str) -> None:
        shutil.rmtree(run_dir, ignore_errors=True)
        super().__init__(run_dir)
        self._primary = primary
        self._password = urlsplit(primary).password or ""  # a copy has the primary's roles

    @property
    def data(self) -> Path:
        return self._data

    def __enter__(self) -> Self:
        """Copy the primary and follow it; return when the copy streams."""
        self._give_to_nobody()
        words = ["-D", str(self._data), "-d", f"{self._primary}?application_name={NAME}"]
        options = ["-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]
        program = str(binaries() / "pg_basebackup")
        subprocess.run(
            [*unprivileged(), program, *words, *options], check=True, timeout=BACKUP_S, env=os.environ
        )
        self.start()
        wait_until(self._streams, what="a standby that streams")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ask_to_stop()
        self.finish()

    def sender(self) -> int:
        """Return the process of the primary that sends to this standby."""
        with psycopg.connect(self._primary) as connection:
            ((pid,),) = connection.execute(STREAMING, (NAME,)).fetchall()
        return int(pid)

    def promote(self) -> None:
        """Make it a primary, with what it has received."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)

    def _streams(self) -> bool:
        with psycopg.connect(self._primary) as connection:
            return bool(connection.execute(STREAMING, (NAME,)).fetchall())
