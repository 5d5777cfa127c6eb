"""The sessions of pages that watch: looked at together every other second, so that a logout ends a stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import Context

from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.services.access.admin_sessions import SessionEnd, ended_sessions

LOOK_S = 2.0
PERMISSION = "jobs.view_operations"
EndedWatch = asyncio.Future[SessionEnd]
log = logging.getLogger(__name__)


class SessionWatch:
    """Belongs to one event loop; looks while at least one session is watched."""

    def __init__(self) -> None:
        """Begin without a session."""
        self._watching: dict[str, set[EndedWatch]] = {}
        self._looks: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, key: str) -> Iterator[EndedWatch]:
        """Yield the future that is done, with the reason, once the session may watch no longer."""
        ended: EndedWatch = asyncio.get_running_loop().create_future()
        self._watching.setdefault(key, set()).add(ended)
        self._looks = self._looks or asyncio.create_task(self._run(), context=Context())
        try:
            yield ended
        finally:
            self._watching[key].discard(ended)
            if not self._watching[key]:
                del self._watching[key]
            if not self._watching and self._looks is not None:
                self._looks.cancel()
                self._looks = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                ends = await asyncio.to_thread(_ended, [*self._watching])
            except DjangoDatabaseError as error:
                log.warning("the sessions of pages that watch cannot be read: %s", error)
                continue
            except Exception:  # else no session would ever be looked at again
                log.exception("the sessions of pages that watch cannot be read")
                continue
            for key, reason in ends.items():
                for ended in self._watching.get(key, ()):
                    if not ended.done():
                        ended.set_result(reason)


def _ended(keys: Collection[str]) -> dict[str, SessionEnd]:
    try:
        return ended_sessions(keys, PERMISSION)
    finally:
        connection.close()  # the thread is anybody's, and must not keep one
