"""Private files of a run directory: written whole or not at all, readable by their owner only."""

import contextlib
import fcntl
import os
import secrets
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file atomically, mode 0600."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(path)


def private_dir(path: Path) -> Path:
    """Return the directory's absolute path, made with mode 0700 where it was missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.resolve()


def empty_dir(path: Path) -> Path:
    """Return the directory, with nothing in it."""
    shutil.rmtree(path, ignore_errors=True)
    return private_dir(path)


def secret(path: Path) -> str:
    """Return the secret kept in this file, drawn on first use."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


def payload_key(path: Path) -> str:
    """Return the key of 32 bytes, in base64, that is kept in this file, drawn on first use."""
    if not path.exists():
        write_private(path, b64encode(secrets.token_bytes(32)).decode())
    return path.read_text()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on this file, waiting for whoever has it."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
