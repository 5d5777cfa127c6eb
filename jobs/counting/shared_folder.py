"""The folder in which processes count together; what ended processes counted is folded into one file.

Without that, each restart leaves files that every page would read again: 300 of them take two seconds.

The file of the ended names the files that it has taken in, and it is replaced as a whole. From then on those
files do not count, whether or not they are gone yet: a process that dies half way through a fold loses
nothing and counts nothing twice. A reader takes no lock. It reads the file of the ended first, and begins
again if that file has been replaced meanwhile.

The page outlives what may happen to a folder: a file that a crash of the machine broke, one that another user
left, a full disk, even a folder that is gone. What cannot be read is left out, and the log says so.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jobs.counting.counter_files import CounterFile, entries, file_of
from jobs.counting.file_owner import OWNER, lives
from jobs.counting.folder_counts import FolderCounts

ENDED, LOCK, BROKEN = "ended.json", "fold.lock", "ended.json.broken"
log = logging.getLogger(__name__)


class _Ended(NamedTuple):
    """What ended processes counted, and the names of the files that this was read from."""

    names: frozenset[str]
    counts: FolderCounts
    broken: bool = False


class SharedFolder:
    """One folder of counting processes; any of them may read and fold it."""

    def __init__(self, path: Path) -> None:
        """Use the folder at `path`."""
        self._path = path

    def living(self) -> list[str]:
        """Return the names of the processes that run and count here."""
        return sorted(owner for owner in self._owners(self._files()) if lives(self._path, owner))

    def read(self) -> FolderCounts:
        """Return what all processes have counted, and the gauges of those that live."""
        while True:
            with suppress(FileNotFoundError):  # a file that was folded away meanwhile
                if (counts := self._read_once()) is not None:
                    return counts

    def fold(self) -> None:
        """Add up what ended processes counted, unless another process does so now, or it cannot be done."""
        try:
            with self._alone() as alone:
                if alone:
                    self._fold()
        except OSError as error:
            _warn(f"files of ended processes are left in PROMETHEUS_MULTIPROC_DIR: {error}")

    def _fold(self) -> None:
        files = self._files()
        gone = {owner for owner in self._owners(files) if not lives(self._path, owner)}
        over = [file for file in files if file.owner in gone and os.access(self._path / file.name, os.R_OK)]
        self._take_in([file for file in over if file.summed])
        for name in [*(file.name for file in over), *(f"{owner}{OWNER}" for owner in gone)]:
            with suppress(OSError):  # gone, or another user's: it does not count any more
                (self._path / name).unlink()

    def _take_in(self, files: Iterable[CounterFile]) -> None:
        with self._opened_ended() as opened:
            ended = _parsed(opened)
        if ended.broken:
            (self._path / ENDED).replace(self._path / BROKEN)
            log.error("%s was broken: what ended processes counted begins anew", self._path / ENDED)
        fresh = [file for file in files if file.name not in ended.names]
        if not fresh:
            return
        for file in fresh:
            ended.counts.add(file, entries(self._path / file.name))
        written = self._path / f"{ENDED}.new"
        stored = {"names": [file.name for file in files], "sums": ended.counts.texts()}
        written.write_text(json.dumps(stored))
        written.replace(self._path / ENDED)

    def _read_once(self) -> FolderCounts | None:
        with self._opened_ended() as opened:
            names, counts, _ = _parsed(opened)
            for file in self._files():
                if file.name not in names and (file.summed or lives(self._path, file.owner)):
                    counts.add(file, self._entries(file))
            return counts if self._is_current(opened) else None

    def _entries(self, file: CounterFile) -> list[tuple[bytes, float, float]]:
        """Return what a file holds, nothing where this process may not read it; FileNotFoundError."""
        try:
            return list(entries(self._path / file.name))
        except FileNotFoundError:
            raise
        except OSError as error:
            _warn(f"what a process counted is on no page: {error}")
            return []

    @contextmanager
    def _opened_ended(self) -> Iterator[int | None]:
        """Hold the file of the ended open, so that no other can have its number on the disk."""
        try:
            opened = os.open(self._path / ENDED, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            yield opened
        finally:
            os.close(opened)

    def _is_current(self, opened: int | None) -> bool:
        try:
            now = (self._path / ENDED).stat().st_ino
        except FileNotFoundError:
            return opened is None
        return opened is not None and os.fstat(opened).st_ino == now

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the folder's lock; False where another process has it."""
        lock = os.open(self._path / LOCK, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)

    def _files(self) -> list[CounterFile]:
        with suppress(FileNotFoundError):
            names = (file_of(entry.name) for entry in os.scandir(self._path))
            return [file for file in names if file is not None]
        _warn(f"PROMETHEUS_MULTIPROC_DIR is gone: {self._path}. Processes are on no page until they restart")
        return []

    def _owners(self, files: Iterable[CounterFile]) -> set[str]:
        marked = {path.stem for path in self._path.glob(f"*{OWNER}")}
        return marked | {file.owner for file in files}


def _parsed(opened: int | None) -> _Ended:
    if opened is None:
        return _Ended(frozenset(), FolderCounts())
    try:
        with os.fdopen(os.dup(opened), "rb") as file:
            stored = json.load(file)
        texts = stored["sums"].items()
        sums = {kind: {key.encode(): value for key, value in of.items()} for kind, of in texts}
        return _Ended(frozenset(stored["names"]), FolderCounts(sums))
    except (ValueError, TypeError, KeyError, AttributeError):  # the machine crashed while it was written
        return _Ended(frozenset(), FolderCounts(), broken=True)


@cache
def _warn(text: str) -> None:
    """Log a warning once a process: each page meets the same again."""
    log.warning(text)
