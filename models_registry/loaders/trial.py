"""A trial load in a process of its own: what is registered is imported, loaded and run on its own example.

Code of a model may hang, or end the process that loads it, so neither happens in the one that registers. The
process needs no Django, and torch only for a model that does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import msgspec

from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError
from models_registry.core.version import VersionInfo
from models_registry.loaders.load import Permissions
from models_registry.loaders.ready import ready
from models_registry.shared.platform_errors import PlatformError

WORDS_SHOWN = 1_500
_WRITTEN = tuple(part.name for part in fields(VersionInfo) if part.init)


class Report(msgspec.Struct):
    """How a trial ended: the seconds that loading took, or the code and message of the error."""

    load_s: float = 0.0
    code: str = ""
    message: str = ""


def trial(info: VersionInfo, permissions: Permissions, *, limit_s: float) -> float:
    """Load the version in a process of its own, on the CPU; return the seconds that it took.

    LoaderRefusedError where the settings here do not allow it, LoadFailedError for anything else that fails.
    """
    values = {name: getattr(info, name) for name in _WRITTEN}
    order = msgspec.json.encode({"info": values, "permissions": permissions})
    words = [sys.executable, "-m", __name__]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        answer, errors = process.communicate(order, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise LoadFailedError(f"{info} was not loaded within {limit_s:g} s.") from None
    finally:
        _end(process)
    return _load_s(info, process.returncode, answer, errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _load_s(info: VersionInfo, status: int, answer: bytes, errors: bytes) -> float:
    try:
        report = msgspec.json.decode(answer.rpartition(b"\n")[2], type=Report)
    except msgspec.DecodeError:
        words = errors.decode("utf-8", "replace").strip()[-WORDS_SHOWN:]
        raise LoadFailedError(f"Loading {info} ended its process with status {status}: {words}") from None
    if report.code == LoaderRefusedError.code:
        raise LoaderRefusedError(report.message)
    if report.code:
        raise LoadFailedError(report.message)
    return report.load_s


def main() -> None:
    """Carry out the order on the standard input, and write the report as the last line of the output."""
    order = msgspec.json.decode(sys.stdin.buffer.read())
    permissions = msgspec.convert(order["permissions"], Permissions)
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the devices belong to the workers
    sys.path.insert(0, str(Path.cwd()))
    try:
        loaded = ready(VersionInfo(**order["info"]), "cpu", permissions, lambda: True)
        report = Report(load_s=loaded.load_s)
    except PlatformError as error:
        report = Report(code=error.code, message=str(error))
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(report))
    sys.stdout.buffer.flush()
    os._exit(0)  # threads that the model started must not hold the end


if __name__ == "__main__":
    main()
