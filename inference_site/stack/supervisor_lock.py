"""One supervisor for a run directory: a lock that the kernel releases when its holder ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from inference_site.stack.private_files import private_dir
from inference_site.stack.stack_errors import AlreadyRunningError

FILE = "supervisor.lock"


@contextlib.contextmanager
def supervisor_lock(run_dir: Path) -> Iterator[None]:
    """Hold the run directory, with this process's id in the lock file; AlreadyRunningError."""
    with (private_dir(run_dir) / FILE).open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                f"a stack is already up in {run_dir} (process {holder(run_dir)}): `make down` ends it"
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
        stream.truncate(0)


def held(run_dir: Path) -> bool:
    """Return whether a supervisor holds this run directory."""
    try:
        with (run_dir / FILE).open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def holder(run_dir: Path) -> int | None:
    """Return the process id in the lock file; None if there is none."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int((run_dir / FILE).read_text())
    return None
