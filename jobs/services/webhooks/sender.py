"""Webhooks on their way: one event loop for all of a process, so that a slow receiver holds no thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from threading import Lock, Thread

from django.db import close_old_connections

from jobs.core.webhooks.shares import Receiver, WebhookShares
from jobs.services.webhooks.http_post import EXCERPT_BYTES, WebhookRequest, WebhookResponse, post

log = logging.getLogger(__name__)
WRITERS = 4


class WebhookSender:
    """Sends webhooks and records their outcomes; every method is thread-safe and returns at once."""

    def __init__(self, shares: WebhookShares | None = None) -> None:
        self._shares, self._lock = shares or WebhookShares(), Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way = set[Future[None]]()
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="webhook-writer")

    def enter(self, receiver: Receiver) -> float:
        """Begin an attempt and return 0, or return the seconds after which it is to be tried again."""
        with self._lock:
            return self._shares.enter(receiver, time.monotonic())

    def leave(self, receiver: Receiver, *, size: int = 0, took_s: float = 0.0) -> None:
        """End an attempt, whether or not it was sent."""
        with self._lock:
            self._shares.leave(receiver, size=size, took_s=took_s)

    def send(
        self,
        receiver: Receiver,
        request: WebhookRequest,
        record: Callable[[WebhookResponse], None],
        *,
        limit_s: float,
    ) -> Future[None]:
        """Send the request of an attempt that entered, call `record` with the outcome, and leave."""
        size, began = len(request.body), time.monotonic()
        with self._lock:
            self._shares.add(size)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name="webhook-sender", daemon=True).start()
            sent = asyncio.run_coroutine_threadsafe(self._sent(request, record, limit_s), self._loop)
            self._under_way.add(sent)

        def ended(sent: Future[None]) -> None:
            self.leave(receiver, size=size, took_s=time.monotonic() - began)
            with self._lock:
                self._under_way.discard(sent)

        sent.add_done_callback(ended)
        return sent

    def drain(self, limit_s: float) -> None:
        """Wait up to `limit_s` for the attempts under way; attempts that are cut off are made again later."""
        with self._lock:
            under_way = set(self._under_way)
        wait(under_way, timeout=limit_s)

    async def _sent(
        self, request: WebhookRequest, record: Callable[[WebhookResponse], None], limit_s: float
    ) -> None:
        began = time.monotonic()
        try:
            response = await post(request, limit_s=limit_s)
        except Exception as error:  # it ends the attempt too, or it would be repeated for ever
            log.exception("a webhook was not sent")
            reason = f"not sent: {type(error).__name__}: {error}"[:EXCERPT_BYTES]
            response = WebhookResponse(None, time.monotonic() - began, reason)
        await asyncio.get_running_loop().run_in_executor(self._writers, _write, record, response)


def _write(record: Callable[[WebhookResponse], None], response: WebhookResponse) -> None:
    close_old_connections()
    try:
        record(response)
    except Exception:
        log.exception("the outcome of a webhook was not stored: it is sent again later")


@cache
def sender() -> WebhookSender:
    """Return the one sender of this process."""
    return WebhookSender()
