"""Read from a slow client without giving it one of the server's few threads.

The server's `read` cannot be interrupted. So it runs on a thread that may be left behind: that one holds no
database connection, and ends with its client's connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock, Thread

from jobs.core.errors import SlowBodyError, UnavailableError

CROWD = 4  # of the eight threads that a web process has
CROWDED_S = 1.0
MOST_LEFT = 256
Read = Callable[[int], bytes]


class Readers:
    """Threads that read for others, made when needed and kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self._idle = deque[_Reader]()
        self._waiting, self._left = set[_Reader](), set[_Reader]()

    def read(self, read: Read, size: int, *, within_s: float) -> bytes:
        """Return `read(size)`; SlowBodyError where it takes longer, or a second where many wait already.

        UnavailableError while too many slow clients hold on.
        """
        if len(self._left) >= MOST_LEFT:
            raise UnavailableError("Too many slow clients hold on; try again.")
        reader = self._idle.pop() if self._idle else _Reader(self._left)
        self._waiting.add(reader)
        try:
            crowded = len(self._waiting) > CROWD
            told = reader.ask(read, size, min(within_s, CROWDED_S) if crowded else within_s)
        finally:
            self._waiting.discard(reader)
        self._idle.append(reader)
        if isinstance(told, BaseException):
            raise told
        return told


class _Reader:
    """One thread; who asks waits for its answer, or leaves it behind."""

    def __init__(self, left: set[_Reader]) -> None:
        self._go, self._done, self._left = Lock(), Lock(), left
        self._go.acquire()
        self._done.acquire()
        self._asked: tuple[Read, int] | None = None
        self._answer: bytes | BaseException = b""
        Thread(target=self._run, name="body", daemon=True).start()

    def ask(self, read: Read, size: int, within_s: float) -> bytes | BaseException:
        self._asked = read, size
        self._go.release()
        if not self._done.acquire(timeout=max(within_s, 0.0)):
            self._left.add(self)
            raise SlowBodyError
        return self._answer

    def _run(self) -> None:
        while self not in self._left:
            self._go.acquire()
            self._answer = self._read()
            self._done.release()
        self._left.discard(self)

    def _read(self) -> bytes | BaseException:
        assert self._asked is not None  # noqa: S101  # set before `go`
        read, size = self._asked
        self._asked = None  # whoever comes next must not keep this request alive
        try:
            return read(size)
        except BaseException as error:  # noqa: BLE001  # it is raised where the answer is waited for
            return error
