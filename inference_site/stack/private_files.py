"""Private files of a run directory: written atomically, and readable by their owner only."""

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
    """Return the directory's absolute path; create it with mode 0700 if it is missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.resolve()


def empty_dir(path: Path) -> Path:
    """Delete the directory's contents, and return its path."""
    shutil.rmtree(path, ignore_errors=True)
    return private_dir(path)


def secret(path: Path) -> str:
    """Return the secret in this file; the first call creates it."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


def payload_key(path: Path) -> str:
    """Return the key in this file, 32 bytes in base64; the first call creates it."""
    if not path.exists():
        write_private(path, b64encode(secrets.token_bytes(32)).decode())
    return path.read_text()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for an exclusive lock on this file, and hold it."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
