"""Files that appear whole or not at all, and whom they belong to."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644


def write(path: Path, text: str, mode: int = PRIVATE) -> None:
    """Replace a file by one with this text and mode; a reader sees the old text or the new one."""
    write_together([(path, text, mode)])


def write_together(files: list[tuple[Path, str, int]]) -> None:
    """Replace files that belong together, in this order, once all of their texts are on the disk."""
    for path, text, mode in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_fresh(_fresh(path), text, mode)
    for path, _, _ in files:
        _fresh(path).replace(path)


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.fresh")


def _write_fresh(fresh: Path, text: str, mode: int) -> None:
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.chmod(mode)  # whatever the mask of this process is


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time work in a folder; others wait. Two would make two passwords of one name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def hand_over(path: Path, user: int) -> None:
    """Let a file, or a folder with all that lies in it, belong to a user of a container; only root can."""
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.chown(each, user, user, follow_symlinks=False)  # a link could lead to any file of this host
