"""One autoscaler a host: a lock that the kernel releases when its holder ends, however that happens."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

ASK_EVERY_S = 0.5


@contextmanager
def host_lock(path: Path, words: str, stop: Event, say: Callable[[str], None]) -> Iterator[bool]:
    """Hold the lock, with `words` about the holder in its file; yield False where `stop` came first.

    While another one holds it, `say` is given a sentence that names the holder, once for each holder.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a+") as stream:
        named = ""
        while not (held := _taken(stream.fileno())) and not stop.wait(ASK_EVERY_S):
            holder = path.read_text().strip()
            if holder and holder != named:
                say(f"waits: {holder} is this host's autoscaler, and a host has one")
                named = holder
        if held:
            stream.truncate(0)
            stream.write(words)
            stream.flush()
        yield held
        if held:
            stream.truncate(0)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
