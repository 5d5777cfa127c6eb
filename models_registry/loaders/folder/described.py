"""Reads what a folder says about its model in a process of its own, which imports the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from models_registry.core.registry_errors import LoadFailedError, RegistrationError
from models_registry.loaders.folder.own_class import OwnClass
from models_registry.shared.child_path import child_env
from models_registry.shared.platform_errors import PlatformError
from models_registry.shared.process_end import end_with_parent

WORDS_SHOWN = 1_500


def described(folder: Path, *, limit_s: float) -> dict[str, Any]:
    """Return the fields of a version that a folder gives; RegistrationError, LoadFailedError."""
    words = [sys.executable, "-m", __name__, str(folder), str(os.getpid())]
    try:
        ended = subprocess.run(words, capture_output=True, timeout=limit_s, check=False, env=child_env())
    except subprocess.TimeoutExpired:
        raise LoadFailedError(f"{folder.name} was not imported within {limit_s:g} s.") from None
    try:
        answer = msgspec.json.decode(ended.stdout.rpartition(b"\n")[2], type=dict[str, Any])
    except msgspec.DecodeError:
        said = ended.stderr.decode("utf-8", "replace").strip()[-WORDS_SHOWN:]
        raise LoadFailedError(
            f"Importing {folder.name} ended its process with status {ended.returncode}: {said}"
        ) from None
    if "message" in answer:
        raise (RegistrationError if answer["code"] == RegistrationError.code else LoadFailedError)(
            answer["message"]
        )
    fields: dict[str, Any] = answer["fields"]
    return fields


def main() -> None:
    """Write the fields, or the error, as the last line of the output."""
    end_with_parent(int(sys.argv[2]))
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the devices belong to the workers
    try:
        own = OwnClass.of(Path(sys.argv[1]))
        answer: dict[str, Any] = {"fields": {**own.fields, **own.schemas()}}
    except PlatformError as error:
        answer = {"code": error.code, "message": str(error)}
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(answer))
    sys.stdout.buffer.flush()
    os._exit(0)  # threads that the model started must not hold the end


if __name__ == "__main__":
    main()
