"""A Postgres that archives its log, and one that is restored from a backup and that archive to a moment."""

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
from inference_site.stack.private_files import private_dir
from tests.support.wait import wait_until

BACKUP_S = 120.0


class _Running(Postgres):
    """`with` runs the server during the block."""

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ask_to_stop()
        self.finish()


class ArchivingPostgres(_Running):
    """A server that copies each finished file of its log to `archive`."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir)
        self.archive = _owned(self._home / "archive")
        self._settings = self._settings | {
            "archive_mode": "on",
            "archive_command": f"test ! -f {self.archive}/%f && cp %p {self.archive}/%f",
        }  # fmt: skip

    def back_up(self, target: Path) -> Path:
        """Take a base backup while the server works; return its folder."""
        words = [
            "-D",
            str(_owned(target) / "data"),
            "-d",
            self.url,
            "-X",
            "none",
            "--checkpoint=fast",
            "--no-sync",
        ]
        subprocess.run(
            [*unprivileged(), str(binaries() / "pg_basebackup"), *words],
            check=True, timeout=BACKUP_S, env=os.environ, capture_output=True,
        )  # fmt: skip
        return target / "data"

    def archive_all(self) -> None:
        """Wait until what is committed now lies in the archive."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None
        wait_until((self.archive / row[0]).exists, what=f"the file {row[0]} in the archive")


class RestoredPostgres(_Running):
    """A new server with the data of a backup, and all commits of the archive up to a moment."""

    def __init__(self, run_dir: Path, *, backup: Path, source: ArchivingPostgres, moment: str) -> None:
        super().__init__(run_dir)
        self._password = urlsplit(source.url).password or ""  # a copy has the source's roles
        self._settings = self._settings | {
            "restore_command": f"cp {source.archive}/%f %p",
            "recovery_target_time": moment,
            "recovery_target_action": "promote",
        }
        _owned(self._home)
        shutil.move(backup, self._data)
        (self._data / "recovery.signal").touch()

    def wait_ready(self) -> None:
        """Return once the server has come to the moment and takes writes."""
        assert self.child is not None
        self.child.wait_until(self._takes_writes, timeout_s=BACKUP_S)

    def _takes_writes(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        except psycopg.OperationalError:
            return False


def _owned(folder: Path) -> Path:
    private_dir(folder)
    if "--reuid=nobody" in unprivileged():
        shutil.chown(folder, "nobody")
    return folder
