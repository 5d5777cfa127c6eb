"""Fetches a source in a process of its own, with a time limit, into a folder that ends with the block."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from models_registry.core.registry_errors import SourceError
from models_registry.shared.platform_errors import PlatformError
from models_registry.sources.file_tree import files_below

WORDS_SHOWN = 500


class Fetched(msgspec.Struct):
    """A local copy of a source, and the source with its revision resolved; or the message of an error."""

    path: str = ""
    source: str = ""
    error: str = ""


@contextmanager
def fetched(source: str, *, most_bytes: int, limit_s: float) -> Iterator[tuple[Path, str]]:
    """Yield the local path of what a source holds, and the source with its branch or alias resolved.

    The files are those of a plain folder: no links, no paths that lead out. SourceError.
    """
    with tempfile.TemporaryDirectory(prefix="artifact-", ignore_cleanup_errors=True) as folder:
        got = _fetch({"source": source, "into": folder, "most_bytes": most_bytes}, limit_s)
        path = Path(got.path)
        if path.is_dir():
            files_below(path)
        yield path, got.source


def _fetch(order: dict[str, Any], limit_s: float) -> Fetched:
    words = [sys.executable, "-m", __name__]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        answered, errors = process.communicate(msgspec.json.encode(order), timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise SourceError(f"{order['source']} was not fetched within {limit_s:g} s.") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    try:
        got = msgspec.json.decode(answered.rpartition(b"\n")[2], type=Fetched)
    except msgspec.DecodeError:
        shown = errors.decode("utf-8", "replace").strip()[-WORDS_SHOWN:]
        raise SourceError(f"Fetching {order['source']} ended its process: {shown}") from None
    if got.error:
        raise SourceError(got.error)
    return got


def main() -> None:
    """Carry out the order on the standard input; the last line of the output is where the copy is."""
    from models_registry.sources.remote_sources import read_source

    order = msgspec.json.decode(sys.stdin.buffer.read())
    try:
        path, source = read_source(order["source"], Path(order["into"]), order["most_bytes"])
        got = Fetched(str(path), source)
    except PlatformError as error:
        got = Fetched(error=str(error))
    except Exception as error:  # noqa: BLE001  # whatever a library of a server raises, a person has to read
        got = Fetched(error=f"{order['source']} cannot be read: {type(error).__name__}: {error}"[:2_000])
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(got))


if __name__ == "__main__":
    main()
