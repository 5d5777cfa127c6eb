"""A hub for a server of threads: its event loop runs on a thread of its own, from the first wait on."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from threading import Thread
from uuid import UUID

from django.conf import settings

from jobs.api.hub import Hub
from jobs.selectors.views import View


class HubThread:
    """Lets any thread wait for a job without a look of its own at the database."""

    def __init__(self, database_url: str) -> None:
        """Start the loop; nothing is connected before somebody waits."""
        self._loop = asyncio.new_event_loop()
        self._hub = Hub(database_url, name="wait", pool_size=1)
        Thread(target=self._loop.run_forever, name="hub", daemon=True).start()

    def ended(self, job_id: UUID, wait_s: float) -> View | None:
        """Return the job once it has ended, or None after `wait_s`."""
        return asyncio.run_coroutine_threadsafe(self._ended(job_id, wait_s), self._loop).result()

    def stop(self) -> None:
        """End the loop and close every connection."""
        asyncio.run_coroutine_threadsafe(self._hub.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _ended(self, job_id: UUID, wait_s: float) -> View | None:
        await self._hub.start()
        inbox = self._hub.expect(job_id)
        self._hub.look_at(job_id)  # it may have ended already
        try:
            return (await asyncio.wait_for(inbox.news(), wait_s)).view
        except TimeoutError:
            return None
        finally:
            self._hub.forget(job_id, inbox)


def hub_thread() -> HubThread:
    """Return this process's."""
    return _hub_thread(os.getpid())


@cache
def _hub_thread(_pid: int) -> HubThread:
    return HubThread(settings.INFERENCE.database_url)
