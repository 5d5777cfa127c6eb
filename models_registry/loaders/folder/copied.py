"""A copy of a folder's files: what is tried, hashed and stored is the same, whatever changes meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models_registry.loaders.integrity import file_names


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """Yield a copy of the folder under its own name, which ends with the block.

    Hidden files and compiled Python are left out, because they are not hashed either.
    """
    with tempfile.TemporaryDirectory(prefix="folder-", ignore_cleanup_errors=True) as place:
        copy = Path(place, folder.resolve().name)
        copy.mkdir()
        for name in sorted(file_names(folder)):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, copy / name)
        yield copy
