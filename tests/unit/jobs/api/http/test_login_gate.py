"""The threads of the API while passwords are guessed: none of them ever hashes one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jobs.api.http.asgi_call import AsgiResponse
from jobs.api.http.login_gate import HASHING_THREADS, MOST_WAITING, LoginGate
from jobs.api.http.request_stream import Inflow
from jobs.api.http.wsgi_threads import Environ, Threads
from jobs.core.errors import BodyTooLargeError, TooManyLoginsError
from tests.support.calls import a_call, answered

Start = Callable[..., None]
LOGIN = b"/admin/login/"
GUESSERS = 24


class SlowPasswords:
    """A handler whose logins take until `release`; it notes which threads run them."""

    def __init__(self) -> None:
        self.release, self.threads = threading.Event(), list[str]()

    def __call__(self, environ: Environ, start: Start) -> list[bytes]:
        if environ["PATH_INFO"].startswith("/admin/"):
            self.threads.append(threading.current_thread().name)
            assert self.release.wait(10)
        start("204 No Content", [])
        return []


def test_the_api_answers_while_24_connections_guess_passwords_and_one_thread_hashes() -> None:
    handler = SlowPasswords()

    async def attack() -> list[AsgiResponse | BaseException]:
        threads = Threads(handler)
        calls = [a_call(b"x", path=LOGIN, client=f"198.51.100.{number}") for number in range(GUESSERS)]
        guesses = [asyncio.create_task(answered(threads, call)) for call in calls]
        for _ in range(20):  # more than the API has threads
            assert (await answered(threads, a_call(b"{}", path=b"/api/v1/jobs"))).status == 204
        handler.release.set()
        return await asyncio.gather(*guesses, return_exceptions=True)

    outcomes = asyncio.run(attack())
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooManyLoginsError)]
    assert len(refused) == GUESSERS - MOST_WAITING
    assert len(outcomes) - len(refused) == len(handler.threads) == MOST_WAITING
    assert len(set(handler.threads)) == HASHING_THREADS
    assert all(name.startswith("login") for name in handler.threads)


def test_one_address_is_refused_before_its_body_is_read() -> None:
    handler = SlowPasswords()
    handler.release.set()

    async def attack() -> int:
        threads, refused = Threads(handler), 0
        for _ in range(15):
            try:
                await answered(threads, a_call(b"x", path=LOGIN))
            except TooManyLoginsError:
                refused += 1
        stalled = a_call(path=LOGIN, headers=((b"content-length", b"9"),), stalls=True)
        with pytest.raises(TooManyLoginsError):  # it would wait for a body that never comes
            await asyncio.wait_for(answered(threads, stalled), 5)
        return refused

    assert asyncio.run(attack()) == 5
    assert len(handler.threads) == 10


def test_a_long_form_with_a_password_is_refused() -> None:
    long = a_call(b"x", path=LOGIN, headers=((b"content-length", b"500000000"),))
    with pytest.raises(BodyTooLargeError):
        asyncio.run(answered(Threads(SlowPasswords()), long))


@pytest.mark.parametrize(
    ("path", "takes"),
    [
        (b"/admin/login/", True),
        (b"/admin/password_change/", True),
        (b"/admin/auth/user/add/", True),
        (b"/admin/auth/user/1/password/", True),
        (b"/admin/jobs/job/", False),
        (b"/api/v1/jobs", False),
    ],
)
def test_only_forms_with_passwords_pass_the_gate(path: bytes, takes: bool) -> None:  # noqa: FBT001  # a parameter
    async def asked() -> tuple[Any, ...]:
        gate, call = LoginGate(), a_call(path=path)
        return gate.takes(call), Inflow(call).complete

    assert asyncio.run(asked())[0] == takes
