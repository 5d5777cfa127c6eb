"""Bodies before and after a login, on a real server: nobody is kept waiting by those of others."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import psutil
import pytest

from jobs.services.access.tokens import create_token
from tests.support.admin import browser_of
from tests.support.wait import wait_until

Serve = Callable[..., httpx.Client]
GOOD = {"model": "echo", "input": {"text": "hello"}}
JOB = "/api/v1/jobs/01a22355-bc1f-7a31-8ce4-d92f099269aa"
FORM = "Content-Type: multipart/form-data; boundary=b"
TEN_TB = 10**13
PROMPT_S = 5.0  # of what takes milliseconds: this machine may be busy
ANY_TOKEN = "Bearer inf_nobody"  # of nobody


def begun(server: httpx.Client, line: str, *fields: str) -> socket.socket:
    """Send the head of a request, and return the connection."""
    wire = socket.create_connection(("127.0.0.1", server.base_url.port or 0), timeout=30)
    wire.sendall("\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode())
    return wire


def status_of(wire: socket.socket) -> int:
    """Return the status of the answer, 0 where the connection ended without one."""
    with suppress(ConnectionError):
        head = wire.recv(4_000)
        return int(head.split()[1]) if head else 0
    return 0


def authorized(token: str) -> str:
    return f"Authorization: {token}"


TOO_MUCH = [
    ("POST /admin/login/", [FORM], 413),
    ("POST /admin/login/", [], 413),
    ("POST /nothing", [FORM], 413),
    ("PUT /docs/", [], 413),
    ("GET /healthz", [], 413),
    ("DELETE /api/v1/jobs", [], 413),
    (f"GET {JOB}?wait=9", [], 413),
    (f"GET {JOB}/events", [], 413),
    ("POST /api/v1/uploads", [], 401),
    ("POST /api/v1/jobs", [FORM, authorized(ANY_TOKEN)], 401),
    ("POST /api/v1/jobs/bulk", [authorized(ANY_TOKEN)], 401),
]


def test_what_is_too_much_is_refused_before_a_byte_of_it_comes(server: httpx.Client) -> None:
    for line, fields, status in TOO_MUCH:
        for waits in ([], ["Expect: 100-continue"]):
            with begun(server, line, *fields, *waits, f"Content-Length: {TEN_TB}") as wire:
                assert status_of(wire) == status, line
                wire.settimeout(PROMPT_S)
                with suppress(ConnectionResetError):
                    assert wire.recv(1) == b"", line  # the connection is closed


def test_ten_terabytes_are_too_much_for_a_token_too(server: httpx.Client) -> None:
    token = server.headers["Authorization"]
    for path in ("jobs", "jobs/bulk", "uploads"):
        with begun(server, f"POST /api/v1/{path}", authorized(token), f"Content-Length: {TEN_TB}") as wire:
            assert status_of(wire) == 413


def test_a_chunked_body_without_an_end_is_refused_once_it_is_no_longer_small(server: httpx.Client) -> None:
    for line in ("POST /admin/login/", "POST /nothing", "PATCH /api/v1/jobs", "GET /docs/"):
        with begun(server, line, FORM, "Transfer-Encoding: chunked") as wire:
            with suppress(ConnectionError):
                for _ in range(40):
                    wire.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
            assert status_of(wire) in {413, 0}, line
    assert server.get("/healthz").is_success


def test_a_small_form_without_a_login_and_a_large_one_of_the_staff_come_through(server: httpx.Client) -> None:
    small = server.post("/admin/login/", data={"username": "x", "password": "y" * 10_000})
    assert small.status_code in {200, 302, 403}
    large = {"data": {"text": "y" * 300_000}}
    assert server.post("/admin/login/", **large).status_code == 413  # type: ignore[arg-type]
    cookies = {name: morsel.value for name, morsel in browser_of().cookies.items()}
    with httpx.Client(base_url=server.base_url, cookies=cookies) as staff:
        assert staff.post("/admin/", **large).status_code == 403  # type: ignore[arg-type]  # Django's CSRF check


def test_slow_and_endless_senders_keep_nobody_out(server: httpx.Client) -> None:
    attacker = f"Bearer {create_token(client='attacker', scopes=['submit'])}"
    bulk = json.dumps([GOOD | {"input": {"text": "x" * 2_000}}] * 100).encode()  # a long body, of 200 kB
    server.post("/api/v1/jobs/bulk", content=bulk).raise_for_status()
    with senders(server, attacker):
        for _ in range(3):
            began = time.monotonic()
            answer = server.post("/api/v1/jobs/bulk", content=bulk, timeout=30)
            assert (answer.status_code, answer.json()["accepted"]) == (202, 100)
            assert time.monotonic() - began < PROMPT_S


@contextmanager
def senders(server: httpx.Client, attacker: str) -> Iterator[None]:
    """Run slow uploads, slow bulk calls and slow forms, 16 of each, and bodies of ten terabytes."""
    ended = threading.Event()
    slow = [
        ("POST /api/v1/uploads", authorized(attacker), "Content-Length: 15000000"),
        ("POST /api/v1/jobs/bulk", authorized(attacker), "Content-Length: 15000000"),
        ("POST /admin/login/", FORM, "Content-Length: 60000"),
    ]
    endless = ("POST /admin/login/", FORM, f"Content-Length: {TEN_TB}")
    with ExitStack() as stack:
        wires = [stack.enter_context(begun(server, *head)) for head in [*slow * 16, endless]]
        threads = [threading.Thread(target=_send_slowly, args=(wire, ended)) for wire in wires[:32]]
        stack.callback(_end, ended, threads)
        for thread in threads:
            thread.start()
        yield
        assert any(thread.is_alive() for thread in threads), "the senders had ended before"


def _send_slowly(wire: socket.socket, ended: threading.Event) -> None:
    with suppress(OSError):
        while not ended.wait(0.1):
            wire.sendall(b"x" * 12_000)


def _end(ended: threading.Event, threads: list[threading.Thread]) -> None:
    ended.set()
    for thread in threads:
        thread.join(30)


def test_bodies_that_take_their_time_give_way_to_others_of_their_sender(serve: Serve) -> None:
    server = serve(OPEN_BODIES="16", BODY_PATIENCE_S="600")
    token = authorized(server.headers["Authorization"])
    other = f"Bearer {create_token(client='other')}"
    with ExitStack() as stack:
        first = stack.enter_context(begun(server, "POST /api/v1/uploads", token, "Content-Length: 900000"))
        time.sleep(1.1)  # so long a body may take in any case
        heads = [("POST /api/v1/uploads", token, "Content-Length: 900000")] * 4
        wires = [stack.enter_context(begun(server, *head)) for head in heads]
        assert status_of(first) == 408
        wait_until(lambda: _closed(wires) == [], what="nobody else is driven out")
        answer = server.post("/api/v1/jobs", json=GOOD, headers={"Authorization": other})
        assert answer.status_code == 202


def _closed(wires: list[socket.socket]) -> list[int]:
    for wire in wires:
        wire.setblocking(False)
    return [status_of(wire) for wire in wires if _is_readable(wire)]


def _is_readable(wire: socket.socket) -> bool:
    try:
        return wire.recv(1, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False


def test_a_client_s_bytes_are_bounded_and_no_disk_holds_them_in_clear(serve: Serve) -> None:
    server = serve(OPEN_BODY_BYTES="8000000", BODY_PATIENCE_S="600")
    token = authorized(server.headers["Authorization"])
    with begun(server, "POST /api/v1/uploads", token, "Content-Length: 1500000") as wire:
        wire.sendall(b"personal data " * 50_000)
        wait_until(lambda: _spools(server), what="the body lies in a file")
        (path,) = _spools(server)
        with open(path, "rb") as file:  # noqa: PTH123  # a link to a file without a name
            assert b"personal" not in file.read()
            assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
        refused = server.post("/api/v1/uploads", content=b"x" * 1_000_000)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_calls")
        assert refused.headers["Retry-After"]
        other = {"Authorization": f"Bearer {create_token(client='other')}"}
        assert server.post("/api/v1/uploads", content=b"x" * 1_000_000, headers=other).status_code == 201
    wait_until(lambda: not _spools(server), what="the file is gone with its connection")


def _spools(server: httpx.Client) -> list[str]:
    """Return links to the files of unfinished bodies that the server's processes hold open."""
    links = list[str]()
    for process in psutil.Process().children(recursive=True):
        with suppress(OSError, psutil.Error):
            folder = f"/proc/{process.pid}/fd"
            links += [f"{folder}/{fd}" for fd in os.listdir(folder) if _is_a_body(f"{folder}/{fd}")]  # noqa: PTH208  # of proc
    return links


def _is_a_body(link: str) -> bool:
    with suppress(OSError):
        return "inference-bodies-" in os.readlink(link)  # noqa: PTH115  # of proc
    return False


@pytest.fixture
def server(serve: Serve) -> httpx.Client:
    return serve()
