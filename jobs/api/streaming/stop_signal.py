"""Notice SIGTERM in a process of the server, which itself waits for open calls before it tells anyone."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress


class StopSignal:
    """An event of one event loop that is set once the process was asked to stop."""

    def __init__(self) -> None:
        """Begin unheard."""
        self.heard = asyncio.Event()
        self._listens = False

    def listen(self) -> None:
        """Hear the signal from now on; the event loop calls the server's own handler as before."""
        before = signal.getsignal(signal.SIGTERM)
        if self._listens or not callable(before):  # without a server's handler the signal ends the process
            return
        self._listens = True
        loop = asyncio.get_running_loop()

        def stop(number: int, frame: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.heard.set)
            before(number, frame)  # type: ignore[arg-type]  # the event loop's does nothing: it reads a socket

        with suppress(ValueError):  # only the main thread may; tests run servers on others
            signal.signal(signal.SIGTERM, stop)
            signal.siginterrupt(signal.SIGTERM, False)  # it takes no keywords
