from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.conf import settings

from jobs.api.http.asgi_call import Call
from jobs.api.http.wsgi_threads import Environ, Threads
from jobs.core.errors import SlowBodyError
from tests.support.calls import a_call, answered

Start = Callable[..., None]


def asked_by(call: Call) -> tuple[Environ, bytes]:
    """Return the request of a handler, and the body as the handler reads it."""
    seen: list[tuple[Environ, bytes]] = []

    def handler(environ: Environ, start: Start) -> list[bytes]:
        seen.append((environ, environ["wsgi.input"].read()))
        start("204 No Content", [])
        return []

    assert asyncio.run(answered(Threads(handler), call)).status == 204
    return seen[0]


def test_a_header_with_an_underscore_is_not_one_with_a_dash() -> None:
    environ, _ = asked_by(a_call(headers=((b"x_forwarded_for", b"6.6.6.6"),)))
    assert not [name for name in environ if "FORWARDED" in name]


def test_headers_of_one_name_are_joined_and_those_of_the_body_have_names_of_their_own() -> None:
    headers = ((b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"c=1"), (b"cookie", b"d=2"))
    environ, _ = asked_by(a_call(headers=(*headers, (b"content-type", b"text/plain"))))
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "c=1; d=2")
    assert environ["CONTENT_TYPE"] == "text/plain"


def test_a_path_comes_as_the_bytes_that_were_sent() -> None:
    environ, _ = asked_by(a_call(path=b"/jobs/%C3%A9%FF"))
    assert environ["PATH_INFO"].encode("latin-1") == b"/jobs/\xc3\xa9\xff"


@pytest.mark.parametrize("size", [0, 10, 65_536, 200_000, 900_000])
def test_a_body_in_any_pieces_is_read_completely(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    pieces = [body[at : at + 30_000] for at in range(0, size, 30_000)] or [b""]
    headers = ((b"content-length", str(size).encode()),)
    assert asked_by(a_call(*pieces, headers=headers))[1] == body


@pytest.mark.parametrize("size", [0, 10, 65_536, 200_000, 900_000])
def test_over_http_2_a_body_needs_no_announcement(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    pieces = [body[at : at + 30_000] for at in range(0, size, 30_000)] or [b""]
    environ, read = asked_by(a_call(*pieces, version="2"))
    assert read == body
    assert environ.get("CONTENT_LENGTH") == (str(size) if size else None)


def test_a_short_chunked_body_has_its_length() -> None:
    environ, _ = asked_by(a_call(b"{", b"}", headers=((b"transfer-encoding", b"chunked"),)))
    assert environ["CONTENT_LENGTH"] == "2"


def test_a_stalled_short_body_is_refused_before_it_takes_a_thread(patience: None) -> None:
    call = a_call(b"1", headers=((b"content-length", b"50"),), stalls=True)
    with pytest.raises(SlowBodyError):
        asyncio.run(answered(Threads(lambda *_: pytest.fail("it was called")), call))


def test_a_long_body_that_stalls_takes_no_thread(patience: None) -> None:
    call = a_call(b"1" * 70_000, headers=((b"content-length", b"90000"),), stalls=True)
    with pytest.raises(SlowBodyError):
        asyncio.run(answered(Threads(lambda *_: pytest.fail("it was called")), call))


@pytest.mark.parametrize("path", [b"/api/v1/jobs/bulk", b"/api/v1/erasures"])
def test_long_calls_leave_threads_for_short_ones(path: bytes) -> None:
    release = threading.Event()

    def handler(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])
        return [b"long" if environ["PATH_INFO"] != "/" and release.wait(60) else b"short"]

    async def both() -> bytes:
        threads = Threads(handler)
        bulk = [asyncio.ensure_future(answered(threads, a_call(path=path))) for _ in range(40)]
        short = await asyncio.wait_for(answered(threads, a_call()), 60)
        release.set()
        assert {answer.body for answer in await asyncio.gather(*bulk)} == {b"long"}
        return short.body

    assert settings.INFERENCE.web_long_threads < 40
    assert asyncio.run(both()) == b"short"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, body_patience_s=1))
