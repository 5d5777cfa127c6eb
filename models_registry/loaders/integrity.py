"""Hashes of artifacts: only an artifact with the registered hash is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from models_registry.core.registry_errors import ArtifactMismatchError

WEIGHTS = "model.safetensors"
COMPILED = "__pycache__"  # changes by itself when code is imported


def digest(path: Path) -> str:
    """Return the SHA-256, in hex, of a file, or of a directory's manifest.

    The manifest is the output of `sha256sum` for every file below the directory, sorted by relative path,
    except hidden files and compiled Python: a tokenizer or configuration changes a model as much as its
    weights do.
    """
    if path.is_file():
        return _file_digest(path)
    return hashlib.sha256(manifest(path).encode()).hexdigest()


def manifest(folder: Path) -> str:
    """Return a line for each file of a folder: its SHA-256 and relative path, as `digest` hashes them."""
    return "".join(f"{_file_digest(folder / name)}  {name}\n" for name in sorted(file_names(folder)))


def verify(path: Path, expected: str, *, whole: bool = False) -> None:
    """Raise ArtifactMismatchError unless `expected` is the artifact's digest.

    For a directory, the digest of its `model.safetensors` is accepted too, because publishers print that one;
    not if `whole`, where other files are code.
    """
    if not expected:
        raise ArtifactMismatchError(f"No hash is registered for {path.name!r}, so that it cannot be loaded.")
    if expected.lower() not in ([digest(path)] if whole else _digests(path)):
        raise ArtifactMismatchError(f"The hash of {path.name!r} is {digest(path)}, not {expected}.")


def _digests(path: Path) -> Iterator[str]:
    yield digest(path)
    if (path / WEIGHTS).is_file():
        yield _file_digest(path / WEIGHTS)


def file_names(directory: Path) -> Iterator[str]:
    """Yield the relative paths of a directory's files, without hidden ones and compiled Python."""
    for path in directory.rglob("*"):
        name = path.relative_to(directory)
        if path.is_file() and not any(part.startswith(".") or part == COMPILED for part in name.parts):
            yield name.as_posix()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
