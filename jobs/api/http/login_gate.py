"""Forms with passwords have one thread of their own, and few may wait for it: a hash takes half a second.

Before that, each address may send only so many. No such call ever takes a thread of the API.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from time import monotonic

from jobs.api.http.asgi_call import AsgiResponse, Call
from jobs.api.http.client_address import network_of
from jobs.core.access.guess_rate import GuessRate
from jobs.core.errors import TooManyLoginsError
from jobs.services.access.refusals import RefusalReason, count_refusal

ADMIN = "/admin/"
WITH_PASSWORDS = ("login", "password", "auth/user")
HASHING_THREADS, MOST_WAITING = 1, 8


class LoginGate:
    """Answers the admin's forms that hash a password."""

    def __init__(self) -> None:
        """Prepare the thread, which starts with its first call."""
        self._threads = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="login")
        self._rate, self._inside = GuessRate(), 0

    def takes(self, call: Call) -> bool:
        """Return whether a call may hash a password."""
        path = call.request.scope["path"]
        return (
            call.request.method not in {"GET", "HEAD"}
            and path.startswith(ADMIN)
            and any(part in path for part in WITH_PASSWORDS)
        )

    def admit(self, call: Call) -> None:
        """Refuse an address that sends too many, before its body is read: TooManyLoginsError."""
        if wait_s := self._rate.wait_s(network_of(call.address) or "", monotonic()):
            raise _refused(call, wait_s)

    async def answer(self, call: Call, handle: Callable[[], AsgiResponse]) -> AsgiResponse:
        """Return what `handle` returns on the thread for passwords; TooManyLoginsError where many wait."""
        if self._inside >= MOST_WAITING:
            raise _refused(call, 1.0)
        self._inside += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, handle)
        work.add_done_callback(self._leave)  # also where the call was cancelled
        return await work

    def _leave(self, _work: object) -> None:
        self._inside -= 1


def _refused(call: Call, wait_s: float) -> TooManyLoginsError:
    count_refusal(call.address, RefusalReason.TOO_MANY_LOGINS)
    return TooManyLoginsError(retry_after_s=math.ceil(wait_s))
