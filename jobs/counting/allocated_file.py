"""Files of counters that have their room on the disk before it is used.

prometheus_client maps files with holes. On a full disk the first write into a hole ends a process by SIGBUS:
each worker of a web server, and whichever starts in its place. Here such a process goes on, and counts in its
memory.
"""

from __future__ import annotations

import logging
import os
from mmap import mmap

from prometheus_client.mmap_dict import MmapedDict

FIRST_BYTES = 4_096  # few, because each process has several files
_AROUND = 32  # an entry has no more bytes than these beside its key
log = logging.getLogger(__name__)


class AllocatedFile(MmapedDict):
    """The file of one kind of metrics, as prometheus_client writes it."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's
        """Open or make a file; one in memory where the disk is full."""
        memory = None if read_mode or _allocated(filename) else os.memfd_create("metrics")
        try:
            super().__init__(filename if memory is None else f"/proc/self/fd/{memory}", read_mode)  # type: ignore[no-untyped-call]  # it ships no types
        finally:
            if memory is not None:
                os.close(memory)  # the file stays open under another number

    def _init_value(self, key: str) -> None:
        """Add an entry, once there is room for it."""
        needed = self._used + len(key.encode()) + _AROUND
        if needed > self._capacity:
            self._grow(needed)
        super()._init_value(key)  # type: ignore[no-untyped-call]  # it ships no types

    def _grow(self, needed: int) -> None:
        while self._capacity < needed:
            self._capacity *= 2
        try:
            os.posix_fallocate(self._f.fileno(), 0, self._capacity)
            grown = mmap(self._f.fileno(), self._capacity)
        except OSError as error:
            _note(self._fname, error)
            grown = mmap(-1, self._capacity)  # in memory; the next growth may find room again
        grown[: self._used] = self._m[: self._used]
        self._m = grown


def _allocated(filename: str) -> bool:
    """Take room for a file; return whether there is some."""
    file = os.open(filename, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(file, 0, FIRST_BYTES)
    except OSError as error:
        _note(filename, error)
        return False
    finally:
        os.close(file)
    return True


def _note(filename: str, error: OSError) -> None:
    log.error("%s cannot grow: %s. What this process counts now is on no page", filename, error.strerror)
