"""A name for each process that counts in the shared folder, which no other process ever has.

prometheus_client names a process's files by its id. A new process with the id of a dead one would go on in a
file that another process folds away at that moment, and what it counts would be lost.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

import psutil
from prometheus_client import values
from prometheus_client.values import MultiProcessValue, MutexValue

from jobs.counting.allocated_file import AllocatedFile

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
OWNER = ".owner"


def count_together() -> None:
    """Have the metrics that are made from now on count in the folder, if the environment names one."""
    folder = os.environ.get(FOLDER, "")
    vars(values)["MmapedDict"] = AllocatedFile
    shared = MultiProcessValue(FileOwner(Path(folder))) if folder else MutexValue  # type: ignore[no-untyped-call]  # it ships no types
    values.ValueClass = shared


class FileOwner:
    """This process's name in the folder: its process id and a random part.

    As long as the process lives, it holds a lock on a file of that name, which the kernel lets go with it.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare to own files in `folder`."""
        self._folder = folder
        self._name, self._lock = "", -1
        os.register_at_fork(after_in_child=self._forget)  # each count asks for the name: no system call there

    def __call__(self) -> str:
        """Return the name; a process that was forked off gets one of its own."""
        return self._name or self._begin()

    def _forget(self) -> None:
        if self._name:
            os.close(self._lock)  # our copy of the parent's, which would stay locked when the parent ends
            self._name = ""

    def _begin(self) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        fresh = self._folder / f"{name}.new"
        self._lock = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        os.fchmod(self._lock, 0o644)  # whatever the umask: it is empty, and every user may ask who lives
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        fresh.rename(self._folder / f"{name}{OWNER}")  # it is locked before anybody can see it
        self._name = name
        return name


def lives(folder: Path, owner: str) -> bool:
    """Return whether the process still runs that counts under this name.

    A name of digits alone is that of a process of another program, which takes no lock.
    """
    if owner.isdigit():
        return psutil.pid_exists(int(owner))
    try:
        file = os.open(folder / f"{owner}{OWNER}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # another user's: it cannot be known, so its files are left alone
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def pid_of(owner: str) -> int:
    """Return the process id in an owner's name."""
    return int(owner.partition("-")[0])
