"""Whatever is sent, a served web process answers it with a documented 4xx, and keeps its memory."""

import gzip
import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import psutil
import pytest

from jobs.core.payloads.pointer import pointer_of
from jobs.models import JobInput, Upload

Serve = Callable[..., httpx.Client]
GOOD = b'{"model":"echo","input":{"text":"hello"},"priority":4}'
DEEP = b'{"model":"echo","input":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
BROKEN = [
    b"", b"{", b"nul", GOOD[:-1], b"\xff\xfe", GOOD.replace(b"hello", b"\xc3\x28"), DEEP,
    b'{"model":"echo","input":{"n":1e400}}', b'{"model":"echo","input":{"n":NaN}}',
    b'{"model":"echo","input":{"n":-Infinity}}', b'{"model":"echo","input":{"text":"\\ud800"}}',
]  # fmt: skip
SEED, CASES, GROWTH_BYTES = 5, 300, 60_000_000


def mutated(rng: random.Random) -> bytes:
    body = bytearray(GOOD)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
    return bytes(body)


def memory() -> int:
    tree = psutil.Process().children(recursive=True)
    servers = [process for process in tree if "granian" in " ".join(process.cmdline())]
    return sum(process.memory_info().rss for process in servers)


def form(*parts: tuple[str, bytes]) -> tuple[dict[str, str], bytes]:
    body = b"".join(f"--b\r\n{head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts) + b"--b--\r\n"
    return {"Content-Type": "multipart/form-data; boundary=b"}, body


JOB = 'Content-Disposition: form-data; name="job"'
FILE = 'Content-Disposition: form-data; name="f"; filename="f"'


def refused(answer: httpx.Response) -> bool:
    return 400 <= answer.status_code < 500 and answer.json()["status"] == answer.status_code


def test_any_broken_body_is_refused_with_a_problem_and_memory_is_bounded(serve: Serve) -> None:
    web = serve()
    for body in [GOOD, *BROKEN]:
        web.post("/api/v1/jobs", content=body)
    before = memory()
    for body in BROKEN:
        assert refused(web.post("/api/v1/jobs", content=body)), body[:60]
    long = b'{"model":"echo","input":{"n":' + b"9" * 100_000 + b"}}"
    assert web.post("/api/v1/jobs", content=long).status_code in {202, 400, 422}
    rng = random.Random(SEED)
    for _ in range(CASES):
        body = mutated(rng)
        answer = web.post("/api/v1/jobs", content=body)
        assert answer.status_code == 202 or refused(answer), (SEED, body)
    bomb = gzip.compress(b" " * 50_000_000)
    packed = web.post("/api/v1/jobs", content=bomb, headers={"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (415, "encoded_body")
    for headers, content in forms(bomb):
        answer = web.post("/api/v1/jobs", content=content, headers=headers)
        assert refused(answer), (answer.status_code, content[:80])
    headers, content = form((JOB, b'{"model":"echo","input":{"text":"x"}}'), (FILE, bomb))
    assert web.post("/api/v1/jobs", content=content, headers=headers).status_code == 202
    assert memory() - before < GROWTH_BYTES


def forms(bomb: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    yield {"Content-Type": "multipart/form-data"}, b"x"
    yield {"Content-Type": "multipart/form-data; boundary=b"}, b"--other--"
    yield form((FILE, bomb))
    yield form(*[('Content-Disposition: form-data; name="x"', b"")] * 100_000)
    yield form((JOB, GOOD), (JOB, GOOD))
    yield form((JOB + "; x=" + "y" * 500_000, GOOD))
    yield form(
        (
            'Content-Disposition: form-data; name="job"\r\nContent-Type: multipart/mixed; boundary=c',
            b"--c\r\n",
        )
    )
    yield form((JOB, b'{"model":"echo","input":{"text":{"$part":"gone"}}}'))


def head(web: httpx.Client, extra: str) -> bytes:
    token = web.headers["Authorization"]
    return f"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{extra}\r\n\r\n".encode()


def connected(web: httpx.Client) -> socket.socket:
    return socket.create_connection((web.base_url.host, web.base_url.port or 80), timeout=60)


SLOW = [("Content-Length: 50", b"1"), ("Transfer-Encoding: chunked", b"1\r\n{\r\n")]
SLOW_AND_LONG = [
    ("Content-Length: 900000", b"1" * 200_000),
    ("Content-Length: 900000\r\nContent-Type: multipart/form-data; boundary=b", b"--b" * 60_000),
]
Slow = list[tuple[str, bytes]]


@contextmanager
def stalled(web: httpx.Client, begun: Slow) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(web)) for _ in begun]
        for wire, (header, body) in zip(slow, begun, strict=True):
            wire.sendall(head(web, header) + body)
        yield slow


@pytest.mark.parametrize("begun", [SLOW * 32, SLOW_AND_LONG * 16])
def test_stalled_bodies_block_no_short_call(serve: Serve, begun: Slow) -> None:
    web = serve(BODY_PATIENCE_S="600")
    with stalled(web, begun):
        for _ in range(50):
            assert web.post("/api/v1/jobs", content=GOOD).status_code == 202


@pytest.mark.parametrize("begun", [SLOW * 32, SLOW_AND_LONG * 4])
def test_a_stalled_body_gets_a_408(serve: Serve, begun: Slow) -> None:
    web = serve(BODY_PATIENCE_S="1")
    with stalled(web, begun) as slow:
        for wire in slow:
            assert wire.recv(4_000).startswith(b"HTTP/1.1 408 ")
    assert web.post("/api/v1/jobs", content=b" " * 200_000 + GOOD).status_code == 202


def test_a_body_that_ends_early_is_malformed(serve: Serve) -> None:
    web = serve()
    with connected(web) as cut:
        cut.sendall(head(web, "Content-Length: 500") + GOOD)
        cut.shutdown(socket.SHUT_WR)
        answer = cut.recv(4_000)
    assert not answer.startswith(b"HTTP/1.1 2")
    assert web.post("/api/v1/jobs", content=GOOD).status_code == 202


def test_an_upload_is_accepted_up_to_its_limit_and_a_job_refers_to_it(serve: Serve) -> None:
    web = serve(MAX_UPLOAD_BYTES="1000000")
    for content in (b"x" * 1_000_001, iter([b"x" * 600_000] * 2)):
        answer = web.post("/api/v1/uploads", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    answer = web.post("/api/v1/uploads", content=b"\xff" * 1_000, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["size"]) == (201, 1_000)
    job: Any = {"model": "echo", "input": {"text": {"$upload": answer.json()["id"]}}}
    assert web.post("/api/v1/jobs", json=job).status_code == 202
    (file,) = pointer_of(bytes(JobInput.objects.get().body)).files
    assert (file.size, file.content_type) == (1_000, "image/png")
    job["input"] = {"text": {"$upload": "00000000-0000-0000-0000-000000000000"}}
    missing = web.post("/api/v1/jobs", json=job)
    assert (missing.status_code, missing.json()["code"]) == (422, "upload_not_found")
    from jobs.services.access.tokens import create_token

    other = {"Authorization": f"Bearer {create_token(client='other')}"}
    job["input"] = {"text": {"$upload": answer.json()["id"]}}
    theirs = web.post("/api/v1/jobs", json=job, headers=other)
    assert (theirs.status_code, theirs.json()["code"]) == (422, "upload_not_found")
    assert Upload.objects.count() == 1
    parts: Any = {
        "job": (None, json.dumps({"model": "echo", "input": {"text": {"$part": "f"}}})),
        "f": ("f", b"abc"),
    }
    assert web.post("/api/v1/jobs", files=parts).status_code == 202
