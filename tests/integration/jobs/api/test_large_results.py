"""Large results: many readers at once do not multiply a server's memory, and each gets all of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import UUID

import httpx
import psutil
from django.utils import timezone

from jobs.core.states import State
from jobs.models import Job, JobResult
from jobs.payloads.claim_check import store_payload
from jobs.services.access.tokens import create_token
from tests.integration.jobs.api.test_events import listen
from tests.support.factories import make_client, make_job

Serve = Callable[..., httpx.Client]
READERS, OUTPUT = 60, {"text": "x" * 10_000_000}
KEY = "of-today"
GROWTH_BYTES = 200_000_000


def a_large_result(client: str = "app") -> UUID:
    job = make_job(state=State.SUCCEEDED, client=make_client(client))
    JobResult.objects.filter(job=job).update(body=store_payload(json.dumps(OUTPUT).encode()))
    return UUID(str(job.id))


def end(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state=State.SUCCEEDED, finished_at=timezone.now())
    body = store_payload(json.dumps(OUTPUT).encode())
    JobResult.objects.create(job=job, epoch=job.epoch, body=body, keep_days=job.keep_days)


def memory() -> int:
    tree = psutil.Process().children(recursive=True)
    servers = [process for process in tree if "granian" in " ".join(process.cmdline())]
    return sum(process.memory_info().rss for process in servers)


def test_many_readers_of_a_large_result_share_its_room(serve: Serve) -> None:
    server, job = serve(), a_large_result()
    path = f"/api/v1/jobs/{job}"
    for way in (path, f"{path}?wait=1"):
        assert server.get(way).json()["output"] == OUTPUT
    with listen(server, job) as events:
        assert next(events).data["output"] == OUTPUT
    repeated = {"Idempotency-Key": KEY}
    posted = server.post("/api/v1/jobs", json={"model": "echo", "input": {}}, headers=repeated)
    end(Job.objects.get(pk=posted.json()["id"]))
    again = server.post("/api/v1/jobs", json={"model": "echo", "input": {}}, headers=repeated)
    assert (again.status_code, again.json()["output"]) == (200, OUTPUT)
    before, most = memory(), 0
    with ExitStack() as stack:
        wires = [
            stack.enter_context(asking(server, way)) for way in [path, f"{path}?wait=1"] * (READERS // 2)
        ]
        with ThreadPoolExecutor(READERS) as pool:
            reading = [pool.submit(drained, wire) for wire in wires]
            while not all(one.done() for one in reading):
                most = max(most, memory())
        sizes = [one.result() for one in reading]
    assert all(size > 10_000_000 or size < 1_000 for size in sizes)  # the whole of it, or a problem
    assert sum(size > 10_000_000 for size in sizes) > READERS / 2
    assert most - before < GROWTH_BYTES


def asking(server: httpx.Client, path: str) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", server.base_url.port or 0), timeout=60)
    token = server.headers["Authorization"]
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {token}\r\n\r\n"
    wire.sendall(head.encode())
    return wire


def drained(wire: socket.socket) -> int:
    """Read all of an answer, and return its size."""
    return sum(len(piece) for piece in iter(lambda: wire.recv(65_536), b""))


def test_who_reads_nothing_of_a_large_result_keeps_nobody_from_theirs(serve: Serve) -> None:
    server, job, theirs = serve(BODY_PATIENCE_S="2"), a_large_result(), a_large_result("other")
    other = {"Authorization": f"Bearer {create_token(client='other')}"}
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(asking(server, f"/api/v1/jobs/{job}"))
        assert server.get("/api/v1/models").status_code == 200
        assert server.get(f"/api/v1/jobs/{theirs}", headers=other).json()["output"] == OUTPUT
        # Its own client waits until those that do not move are given up.
        assert server.get(f"/api/v1/jobs/{job}").status_code in {200, 503}
    assert server.get(f"/api/v1/jobs/{job}").json()["output"] == OUTPUT
