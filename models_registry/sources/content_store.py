"""Artifacts in Django's storage, each file under its SHA-256, so that equal files are stored once.

A version's artifact is `stored:SHA256/model.onnx`, or `stored:SHA256/` for a folder. The object of a folder
is its manifest, as `loaders.integrity.digest` hashes it: one hash pins every file, wherever the folder lies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple, Self, TypeVar

from django.core.files.base import File
from django.core.files.storage import Storage, storages

from models_registry.core.registry_errors import ArtifactMismatchError, LoadFailedError, StoreFailedError
from models_registry.loaders.integrity import digest, manifest
from models_registry.shared.platform_errors import PlatformError
from models_registry.sources.file_tree import files_below, manifest_of

STORED = "stored:"
FOLDER = "artifacts/sha256"
CHUNK_BYTES = 1 << 20
Answer = TypeVar("Answer")
_FORM = re.compile(r"stored:([0-9a-f]{64})/(model(?:\.[a-z0-9]{1,15})?)?\Z")


class StoredArtifact(NamedTuple):
    """An artifact in the store: its SHA-256, and the name of its file, empty for a folder."""

    sha256: str
    file: str

    @classmethod
    def of(cls, artifact: str) -> Self | None:
        """Return what a version's artifact names; None where that is no artifact of the store."""
        match = _FORM.match(artifact)
        return cls(match[1], match[2] or "") if match else None

    def __str__(self) -> str:
        return f"{STORED}{self.sha256}/{self.file}"


def storage() -> Storage:
    """Return the storage of artifacts."""
    return storages["artifacts"]


def put(path: Path) -> StoredArtifact:
    """Store a file or a folder, and return its name in the store; LoadFailedError if the storage fails."""
    if path.is_file():
        stored = StoredArtifact(digest(path), f"model{path.suffix.lower()}")
        with path.open("rb") as file:
            _save(stored.sha256, file, path.stat().st_size)
        return stored
    for name in files_below(path):
        with (path / name).open("rb") as file:
            _save(digest(path / name), file, (path / name).stat().st_size)
    text = manifest(path).encode()
    _save(sha256(text).hexdigest(), BytesIO(text), len(text))
    return StoredArtifact(sha256(text).hexdigest(), "")


def holds(stored: StoredArtifact) -> bool:
    """Return whether the storage has the artifact; LoadFailedError if the storage fails."""
    return _translated(lambda: storage().exists(_name(stored.sha256)))


def copy_to(stored: StoredArtifact, folder: Path) -> None:
    """Write the artifact below `folder`: its file, or for a folder its files.

    ArtifactMismatchError where bytes of the storage are not those of their hash, LoadFailedError where they
    are not there.
    """
    if stored.file:
        _copy(stored.sha256, folder / stored.file)
        return
    listing = folder / ".manifest"
    _copy(stored.sha256, listing)
    for name, hashed in manifest_of(listing.read_text("utf-8")).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _copy(hashed, folder / name)


def members(stored: StoredArtifact) -> set[str]:
    """Return the names of all objects of an artifact; of a folder whose manifest is gone only that name."""
    names = {_name(stored.sha256)}
    if stored.file or not holds(stored):
        return names
    text = _translated(lambda: _read(_name(stored.sha256))).decode()
    return names | {_name(hashed) for hashed in manifest_of(text).values()}


def object_names() -> Iterator[str]:
    """Yield the names of all objects of the store, unfinished ones included; StoreFailedError."""
    for folder in _translated(lambda: storage().listdir(FOLDER))[0]:
        for file in _translated(partial(storage().listdir, f"{FOLDER}/{folder}"))[1]:
            yield f"{FOLDER}/{folder}/{file}"


def stored_at(name: str) -> datetime:
    """Return when an object of the store was written; StoreFailedError."""
    return _translated(lambda: storage().get_modified_time(name)).astimezone(UTC)


def delete(name: str) -> None:
    """Delete an object of the store, if it exists; StoreFailedError."""
    _translated(lambda: storage().delete(name))


def _name(hashed: str) -> str:
    return f"{FOLDER}/{hashed[:2]}/{hashed}"


def _save(hashed: str, content: IO[bytes], size: int) -> None:
    name = _name(hashed)

    def save() -> None:
        if storage().exists(name):
            if storage().size(name) == size:
                return
            storage().delete(name)  # of a storage that broke off in the middle
        saved = storage().save(name, File(content))
        if saved != name:  # another process stored the same bytes at the same moment
            storage().delete(saved)

    _translated(save)


def _copy(hashed: str, target: Path) -> None:
    read = _translated(lambda: _write(_name(hashed), target))
    if read != hashed:
        raise ArtifactMismatchError(
            f"The stored artifact is damaged: the storage has bytes with the SHA-256 {read} under {hashed}."
            " Register the version's artifact again to store them anew."
        )


def _read(name: str) -> bytes:
    with storage().open(name) as source:
        return bytes(source.read())


def _write(name: str, target: Path) -> str:
    hashing = sha256()
    with storage().open(name) as source, target.open("xb") as file:
        while piece := source.read(CHUNK_BYTES):
            hashing.update(piece)
            file.write(piece)
    return hashing.hexdigest()


def _translated(act: Callable[[], Answer]) -> Answer:
    try:
        return act()
    except PlatformError:
        raise
    except FileNotFoundError:
        raise LoadFailedError("The artifact is not in the storage any more: register it again.") from None
    except Exception as error:
        name = type(error).__name__
        raise StoreFailedError(f"The storage of artifacts failed: {name}: {error}") from error
