"""A worker's copies of stored artifacts on its own disk; the processes of a host share them.

A lock of the operating system protects a copy while a process uses it, and ends with the process. What was
not used for longest goes first when a new copy needs the room. A load hashes every byte of its copy: times
and sizes of files prove nothing, and reading a model costs more than hashing it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock

from models_registry.core.registry_errors import ArtifactMismatchError, LoadFailedError
from models_registry.core.version import VersionInfo
from models_registry.sources.content_store import StoredArtifact, copy_to
from models_registry.sources.file_tree import size_of

TREE = "tree"
LOCK = ".lock"
FETCH = ".fetch"
LEFT_S = 86_400


class NoCopies:
    """What a pool without a folder for copies has: every artifact lies where the version says."""

    def here(self, info: VersionInfo) -> VersionInfo:
        """Return the version as it is."""
        return info

    def let_go(self, info: VersionInfo) -> None:
        """Do nothing: no copy is protected."""

    def load_failed(self, info: VersionInfo, error: Exception) -> None:
        """Do nothing: no copy is damaged."""


class LocalCopies:
    """The copies below `folder`, together at most `most_bytes` large, but for those in use."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        # Absolute, because a relative path of an artifact is one below MODEL_DIR.
        self._folder, self._most_bytes = folder.absolute(), most_bytes
        self._held: dict[int, int] = {}
        self._guard = Lock()

    def here(self, info: VersionInfo) -> VersionInfo:
        """Return the version with the path of its copy as its artifact, protected until `let_go`.

        Another artifact than one of the store is left as it is. LoadFailedError, ArtifactMismatchError.
        """
        stored = StoredArtifact.of(info.artifact)
        if stored is None:
            return info
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._locked_copy(stored)
        except OSError as error:
            raise LoadFailedError(f"The folder of ARTIFACT_CACHE_DIR cannot be used: {error}.") from error
        with self._guard:
            before, self._held[info.id] = self._held.get(info.id), lock
        if before is not None:
            os.close(before)
        return replace(info, artifact=str(self._path(stored)))

    def let_go(self, info: VersionInfo) -> None:
        """End the protection of a version's copy, if it has one."""
        with self._guard:
            lock = self._held.pop(info.id, None)
        if lock is not None:
            os.close(lock)

    def load_failed(self, info: VersionInfo, error: Exception) -> None:
        """End the protection of a version that did not load, and delete its copy if that is damaged."""
        if isinstance(error, ArtifactMismatchError):
            self.forget(info)
        else:
            self.let_go(info)

    def forget(self, info: VersionInfo) -> None:
        """Delete the version's copy, which was found damaged, so that the next load makes another."""
        self.let_go(info)
        if (self._folder / info.sha256).is_dir():
            self._evict(self._folder / info.sha256)

    def _path(self, stored: StoredArtifact) -> Path:
        return self._folder / stored.sha256 / (stored.file or TREE)

    def _locked_copy(self, stored: StoredArtifact) -> int:
        """Return the file of a shared lock on the artifact's copy, which is made if it is not there."""
        while True:
            lock = self._open(stored.sha256 + LOCK)
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits only while another process deletes the copy
            if self._path(stored).exists():
                os.utime(self._folder / stored.sha256)
                return lock
            os.close(lock)
            with self._only_one(stored.sha256 + FETCH):
                if not self._path(stored).exists():
                    self._fetch(stored)

    def _fetch(self, stored: StoredArtifact) -> None:
        part = self._folder / f".part-{secrets.token_hex(8)}"
        target = part / ("" if stored.file else TREE)
        try:
            target.mkdir(parents=True)
            copy_to(stored, target)
            self._make_room(size_of(part))
            # The same bytes may lie here under another file's name, by which this version does not look.
            (part / (stored.file or TREE)).rename(self._ready(stored))
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _ready(self, stored: StoredArtifact) -> Path:
        (self._folder / stored.sha256).mkdir(exist_ok=True)
        return self._path(stored)

    def _make_room(self, size_bytes: int) -> None:
        folders = [path for path in self._folder.iterdir() if path.is_dir()]
        for path in folders:  # what a process left that was ended in the middle
            if path.name.startswith(".") and path.stat().st_mtime < time.time() - LEFT_S:
                shutil.rmtree(path, ignore_errors=True)
        copies = [path for path in folders if not path.name.startswith(".")]
        sizes = {path: size_of(path) for path in copies}
        room = self._most_bytes - size_bytes - sum(sizes.values())
        for path in sorted(copies, key=lambda path: path.stat().st_mtime):
            if room >= 0:
                return
            if self._evict(path):
                room += sizes[path]

    def _evict(self, copy: Path) -> bool:
        """Delete a copy that is not in use; return whether it was deleted."""
        lock = self._open(copy.name + LOCK)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                gone = copy.rename(self._folder / f".part-{secrets.token_hex(8)}")
                shutil.rmtree(gone, ignore_errors=True)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    @contextmanager
    def _only_one(self, name: str) -> Iterator[None]:
        lock = self._open(name)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _open(self, name: str) -> int:
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
