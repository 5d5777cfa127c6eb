"""The folder in which processes count together; what ended processes counted is folded into one file.

Without that, each restart leaves files that every page would read again: 300 of them take two seconds.

The file of the ended names the files that it has taken in, and it is replaced as a whole. From then on those
files do not count, whether or not they are gone yet: a process that dies half way through a fold loses
nothing and counts nothing twice. A reader takes no lock. It reads the file of the ended first, and begins
again if that file has been replaced meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from jobs.counting.counter_files import CounterFile, entries, file_of
from jobs.counting.file_owner import OWNER, lives
from jobs.counting.folder_counts import FolderCounts

ENDED, LOCK = "ended.json", "fold.lock"


class _Ended(NamedTuple):
    """What ended processes counted, and the names of the files that this was read from."""

    names: frozenset[str]
    counts: FolderCounts


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
        """Add up what ended processes counted, unless another process does so now."""
        with self._alone() as alone:
            if not alone:
                return
            files = self._files()
            gone = {owner for owner in self._owners(files) if not lives(self._path, owner)}
            over = [file for file in files if file.owner in gone]
            self._take_in([file for file in over if file.summed])
            names = [*(file.name for file in over), *(f"{owner}{OWNER}" for owner in gone)]
            for name in names:
                (self._path / name).unlink(missing_ok=True)

    def _take_in(self, files: Iterable[CounterFile]) -> None:
        with self._opened_ended() as opened:
            ended = _parsed(opened)
        fresh = [file for file in files if file.name not in ended.names]
        if not fresh:
            return
        for file in fresh:
            ended.counts.add(file, entries(self._path / file.name))
        sums = {
            kind: {key.decode(): value for key, value in values.items()}
            for kind, values in ended.counts.sums.items()
        }
        written = self._path / f"{ENDED}.new"
        written.write_text(json.dumps({"names": [file.name for file in files], "sums": sums}))
        written.replace(self._path / ENDED)

    def _read_once(self) -> FolderCounts | None:
        with self._opened_ended() as opened:
            names, counts = _parsed(opened)
            for file in self._files():
                if file.name not in names and (file.summed or lives(self._path, file.owner)):
                    counts.add(file, entries(self._path / file.name))
            return counts if self._is_current(opened) else None

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
        lock = os.open(self._path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)

    def _files(self) -> list[CounterFile]:
        names = (file_of(entry.name) for entry in os.scandir(self._path))
        return [file for file in names if file is not None]

    def _owners(self, files: Iterable[CounterFile]) -> set[str]:
        marked = {path.stem for path in self._path.glob(f"*{OWNER}")}
        return marked | {file.owner for file in files}


def _parsed(opened: int | None) -> _Ended:
    if opened is None:
        return _Ended(frozenset(), FolderCounts())
    with os.fdopen(os.dup(opened)) as file:
        stored = json.load(file)
    sums = {kind: {key.encode(): value for key, value in of.items()} for kind, of in stored["sums"].items()}
    return _Ended(frozenset(stored["names"]), FolderCounts(sums))
