"""The bytes that the client sends of a file, the same at each retry."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from email import message_from_bytes
from operator import methodcaller
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import httpx
import psutil
import pytest

from inference_client import AsyncClient, Client, File, PlatformRefusedError, UploadedFile, part
from inference_client.files import PIECE_BYTES
from tests.unit.inference_client.scripted_platform import AT_ONCE, ID, URL, Script, client, ok, refusal, view

BYTES = os.urandom(3 * PIECE_BYTES + 7)
UPLOADED = {
    "id": ID,
    "size": len(BYTES),
    "sha256": "0" * 64,
    "content_type": "image/png",
    "expires_at": "2026-01-02T00:00:00Z",
}


class Reading(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Reads `pieces` pieces of each body, then answers from a script."""

    def __init__(self, script: Script, pieces: int | None) -> None:
        self.script, self.pieces = script, pieces
        self.seen = list[bytes]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        self.seen.append(b"".join(piece for _, piece in zip(self._turns(), request.stream, strict=False)))
        return self.script(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        seen, turns = bytearray(), self._turns()
        async for piece in request.stream:
            seen += piece
            if next(turns, None) is None:
                break
        self.seen.append(bytes(seen))
        return self.script(request)

    def _turns(self) -> Iterator[int]:
        return iter(range(10**9 if self.pieces is None else self.pieces))


def in_threads(reading: Reading, call: Callable[[Any], Any]) -> Any:
    with Client(URL, "secret", patience=AT_ONCE, transport=reading) as platform:
        return call(platform)


def in_asyncio(reading: Reading, call: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        async with AsyncClient(URL, "secret", patience=AT_ONCE, transport=reading) as platform:
            return await call(platform)

    return asyncio.run(run())


Run = Callable[[Reading, Callable[[Any], Any]], Any]
BOTH = pytest.mark.parametrize("run", [in_threads, in_asyncio])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "scan.png"
    made.write_bytes(BYTES)
    return made


def is_open(path: Path) -> bool:
    return str(path) in {file.path for file in psutil.Process().open_files()}


@BOTH
def test_an_upload_sends_the_bytes_of_a_path_of_bytes_and_of_an_open_file(run: Run, path: Path) -> None:
    with path.open("rb") as file:
        for source in (path, str(path), BYTES, file):
            reading = Reading(Script(ok(UPLOADED, 201)), None)
            upload = run(reading, methodcaller("upload", source, content_type="image/png"))
            assert reading.seen == [BYTES]
            (request,) = reading.script.requests
            assert (request.method, request.url.path) == ("POST", "/api/v1/uploads")
            assert request.headers["Content-Type"] == "image/png"
            assert request.headers["Content-Length"] == str(len(BYTES))
            assert "Transfer-Encoding" not in request.headers
    assert isinstance(upload, UploadedFile)
    assert (upload.id, upload.size, upload.content_type) == (UUID(ID), len(BYTES), "image/png")
    assert (upload.expires_at.year, upload.sha256) == (2026, "0" * 64)
    assert upload.ref == {"$upload": ID}


@BOTH
@pytest.mark.parametrize("pieces", [1, None])
@pytest.mark.parametrize("trouble", [lambda: refusal(429, "0"), lambda: httpx.WriteError("cut")])
def test_a_retry_sends_the_same_bytes_from_the_file_s_first_position(
    run: Run, pieces: int | None, trouble: Callable[[], httpx.Response | Exception]
) -> None:
    file = io.BytesIO(b"not this" + BYTES)
    file.seek(8)
    reading = Reading(Script(trouble(), ok(UPLOADED, 201)), pieces)
    assert run(reading, lambda platform: platform.upload(file)).size == len(BYTES)
    first, second = reading.seen
    assert first == second
    assert BYTES.startswith(first)
    assert len(first) >= PIECE_BYTES
    assert {sent.headers["Content-Length"] for sent in reading.script.requests} == {str(len(BYTES))}


class Watched(io.BytesIO):
    """A file that notes how it is read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.reads = list[int]()

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads.append(-1 if size is None else size)
        return super().read(size)


@BOTH
@pytest.mark.parametrize("how", ["upload", "form"])
def test_a_file_is_read_only_as_fast_as_it_is_sent(run: Run, how: str) -> None:
    file = Watched(BYTES)
    if how == "upload":
        run(Reading(Script(ok(UPLOADED, 201)), 1), lambda platform: platform.upload(file))
    else:
        sent = Reading(Script(ok(view(), 202)), 5)
        run(sent, lambda platform: platform.submit("m", {}, files={"page": file}))
    assert 1 <= len(file.reads) <= 2
    assert all(0 < size <= PIECE_BYTES for size in file.reads)


@BOTH
def test_a_large_file_is_never_completely_in_memory(run: Run, path: Path) -> None:
    large = 64 * PIECE_BYTES
    os.truncate(path, large)
    calls = [methodcaller("upload", path), methodcaller("submit", "m", {}, files={"page": path})]
    for call, answer in zip(calls, (ok(UPLOADED, 201), ok(view(), 202)), strict=True):
        tracemalloc.start()
        try:
            run(Reading(Script(answer), 8), call)
            assert tracemalloc.get_traced_memory()[1] < large / 2
        finally:
            tracemalloc.stop()


class LookingError(Exception):
    """Not one of the way to the platform: the client does not expect it."""


@BOTH
@pytest.mark.parametrize("end", [lambda: ok(UPLOADED, 201), lambda: refusal(413), LookingError])
def test_a_file_at_a_path_is_open_only_during_the_call(
    run: Run, end: Callable[[], httpx.Response | Exception], path: Path
) -> None:
    class Looking(Script):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            assert is_open(path)
            return super().__call__(request)

    held = None  # the error, and with it every frame that it came through
    try:
        run(Reading(Looking(end()), 1), lambda platform: platform.upload(path))
    except (PlatformRefusedError, LookingError) as error:
        held = error
    assert not is_open(path), held


def pipe(content: bytes) -> BinaryIO:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return os.fdopen(reading, "rb")


@BOTH
def test_an_unseekable_file_is_sent_in_chunks_and_once(run: Run) -> None:
    reading = Reading(Script(ok(UPLOADED, 201)), None)
    with pipe(b"streamed") as file:
        run(reading, lambda platform: platform.upload(file))
    assert reading.seen == [b"streamed"]
    assert reading.script.requests[0].headers["Transfer-Encoding"] == "chunked"
    again = Reading(Script(refusal(503), ok(UPLOADED, 201)), None)
    with pipe(b"streamed") as file, pytest.raises(PlatformRefusedError, match="503"):
        run(again, lambda platform: platform.upload(file))
    assert len(again.script.requests) == 1


def test_bytes_appended_after_the_size_was_read_are_not_sent() -> None:
    file = io.BytesIO(b"measured")

    class Growing(Reading):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            file.seek(0, io.SEEK_END)
            file.write(b" and more")
            return super().handle_request(request)

    reading = Growing(Script(ok(UPLOADED, 201)), None)
    in_threads(reading, lambda platform: platform.upload(file))
    assert reading.seen == [b"measured"]


def test_a_file_of_text_or_of_no_known_kind_is_refused() -> None:
    for source in (io.StringIO("text"), 7):
        with pytest.raises(TypeError, match="open in binary mode"):
            client(Script()).upload(source)  # type: ignore[arg-type]  # that is the mistake
    with pytest.raises(ValueError, match="no media type"):
        client(Script()).upload(b"", content_type="text/plain\r\nX: y")


def parts(request: httpx.Request, body: bytes) -> dict[str, tuple[str, bytes]]:
    """Return a form's parts by name, read by a parser that is not ours."""
    message = message_from_bytes(f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + body)
    by_name = dict[str, tuple[str, bytes]]()
    for item in message.get_payload():
        assert not isinstance(item, str)
        name = item.get_param("name", header="Content-Disposition")
        content = item.get_payload(decode=True)
        assert isinstance(content, bytes)
        by_name[str(name)] = (item.get_content_type(), content)
    return by_name


@BOTH
def test_files_are_sent_with_a_job_in_one_form_that_is_retried_under_one_key(run: Run, path: Path) -> None:
    reading = Reading(Script(httpx.ReadError("cut"), refusal(429, "0"), ok(view(), 202)), None)
    files = {"page": File(path, "image/png"), "note": File(b"line\r\n", "text/plain"), "raw": path}
    value = {"page": part("page"), "note": part("note")}
    run(reading, lambda platform: platform.submit("m", value, files=files, wait_s=3, priority=7))
    first, *others = reading.seen
    assert others == [first, first]
    for request in reading.script.requests:
        assert request.headers["Content-Length"] == str(len(first))
        assert request.headers["Prefer"] == "wait=3"
    assert len({request.headers["Idempotency-Key"] for request in reading.script.requests}) == 1
    sent = parts(reading.script.requests[0], first)
    assert json.loads(sent.pop("job")[1]) == {"model": "m", "input": value, "priority": 7}
    assert value == {"page": {"$part": "page"}, "note": {"$part": "note"}}
    octets = ("application/octet-stream", BYTES)
    assert sent == {"page": ("image/png", BYTES), "note": ("text/plain", b"line\r\n"), "raw": octets}


@pytest.mark.parametrize("name", ["", "job", 'a"b', "a\\b", "a\nb", " a"])
def test_a_name_that_no_part_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a valid name"):
        client(Script()).submit("m", {}, files={name: b""})


def test_a_form_refuses_a_file_of_unknown_length() -> None:
    with pipe(b"x") as file, pytest.raises(ValueError, match="upload"):
        client(Script()).submit("m", {}, files={"page": file})
