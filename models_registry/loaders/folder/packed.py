"""Packs a folder: its files, copied under MODEL_DIR to a place that their SHA-256 names."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from models_registry.core.registry_errors import LoadFailedError
from models_registry.loaders.integrity import digest, file_names

HOME = "folders"


def packed(folder: Path, model_dir: str) -> tuple[str, str]:
    """Copy a folder's files; return the artifact, a path under MODEL_DIR, and the SHA-256 of all of them.

    Hidden files and compiled Python are left out: they are neither hashed nor copied.
    """
    if not model_dir:
        raise LoadFailedError("MODEL_DIR is not set: the files of a folder are copied there, for workers.")
    names = sorted(file_names(folder))
    home = Path(model_dir, HOME).absolute()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=home) as scratch:
        copy = Path(scratch, "files")
        for name in names:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, copy / name)
        copy.chmod(0o755)
        sha256 = digest(copy)  # of the copy: the folder may change meanwhile
        place = home / sha256
        if not place.exists():
            _put(copy, place)
    return f"{HOME}/{sha256}", sha256


def _put(copy: Path, place: Path) -> None:
    try:
        os.rename(copy, place)  # noqa: PTH104  # atomic, and it must not replace a file
    except OSError:
        if not place.is_dir():  # another process was first with equal files
            raise
