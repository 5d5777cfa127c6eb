"""Behaviour that only a real server shows: bodies over the limit, and calls that wait."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import httpx
import psycopg
import pytest

from inference_site.config import Config
from jobs.models import Job
from jobs.services.access.tokens import create_token
from jobs.services.lifecycle.cancel import cancel_job
from tests.support.http2 import post_over_http2
from tests.support.wait import wait_until

GOOD = {"model": "echo", "input": {"text": "hello"}}
END_LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN jobs_settled_%'
"""
Serve = Callable[..., httpx.Client]


def test_a_body_over_the_limit_is_refused_with_and_without_a_length(serve: Serve) -> None:
    server = serve(MAX_BODY_BYTES="1000")

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * 400] * 3

    for body in (b"x" * 1_001, pieces()):
        answer = server.post("/api/v1/jobs", content=body)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    chunked = server.post("/api/v1/jobs", content=iter([b'{"model":"echo",', b'"input":{}}']))
    assert chunked.status_code == 202
    assert Job.objects.count() == 1


def test_a_waiting_call_answers_when_the_job_ends(serve: Serve) -> None:
    server = serve()
    job_id = server.post("/api/v1/jobs", json=GOOD).json()["id"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.get, f"/api/v1/jobs/{job_id}?wait=30")
        assert cancel_job(job_id=job_id, actor="test")
        answer = waiting.result(20)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


def test_many_waiting_posts_hold_no_thread_and_each_gets_its_job(serve: Serve) -> None:
    server, prefer = serve(), {"Prefer": "wait=60"}
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(server.post, "/api/v1/jobs", json=GOOD, headers=prefer) for _ in range(40)]
        wait_until(lambda: _answers(server) and Job.objects.count() == 40)
        for job_id in Job.objects.values_list("id", flat=True):
            cancel_job(job_id=job_id, actor="test")
        answers = [answer.result(60) for answer in waiting]
    for answer in answers:
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert answer.headers["Preference-Applied"] == "wait=55"
        assert answer.headers["Location"].endswith(answer.json()["id"])


def _answers(server: httpx.Client) -> bool:
    return server.get("/api/v1/jobs").status_code == 200


def test_a_token_with_only_the_scope_submit_gets_the_end_without_the_output(serve: Serve) -> None:
    server = serve()
    submits = {"Authorization": f"Bearer {create_token(client='app', scopes=['submit'])}"}
    headers = {**submits, "Prefer": "wait=60"}
    body = GOOD | {"metadata": {"of": "mine"}}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.post, "/api/v1/jobs", json=body, headers=headers)
        wait_until(Job.objects.exists)
        cancel_job(job_id=Job.objects.get().pk, actor="test")
        answer = waiting.result(60)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["metadata"] is None


def test_a_preferred_wait_that_runs_out_answers_with_the_acknowledgement(serve: Serve) -> None:
    answer = serve().post("/api/v1/jobs", json=GOOD, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"


def test_a_wait_that_runs_out_answers_with_the_present_state(serve: Serve) -> None:
    server = serve()
    job_id = server.post("/api/v1/jobs", json=GOOD).json()["id"]
    assert server.get(f"/api/v1/jobs/{job_id}?wait=0.1").json()["state"] == "queued"
    bad = server.get(f"/api/v1/jobs/{job_id}?wait=soon")
    assert (bad.status_code, bad.json()["code"]) == (400, "malformed")
    stranger = server.get(f"/api/v1/jobs/{job_id}", headers={"Authorization": "Bearer x"})
    assert stranger.status_code == 401


def test_waiters_hold_no_connection_each_and_outlive_the_one_that_listens(serve: Serve, db: str) -> None:
    server = serve()
    summary = server.post("/api/v1/jobs/bulk", json=[GOOD] * 20).json()
    ids = [item["id"] for item in summary["jobs"]]
    with ThreadPoolExecutor(20) as pool, psycopg.connect(db, autocommit=True) as operator:
        waiting = [pool.submit(server.get, f"/api/v1/jobs/{job_id}?wait=30") for job_id in ids]
        wait_until(lambda: operator.execute(END_LISTENERS).fetchall())
        (held,) = operator.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stream'"
        ).fetchone() or (0,)
        for job_id in ids:
            cancel_job(job_id=job_id, actor="test")
        states = {answer.result(20).json()["state"] for answer in waiting}
    assert states == {"cancelled"}
    assert held <= 5


def over_http2(server: httpx.Client, path: str, *pieces: bytes, **headers: str) -> Any:
    port = server.base_url.port
    assert port is not None
    fields = {"authorization": server.headers["Authorization"], "content-type": "application/json", **headers}
    return json.loads(post_over_http2(port, path, pieces, fields))


def test_over_http_2_a_body_needs_no_content_length(serve: Serve) -> None:
    server = serve(MAX_BODY_BYTES="300000")
    short = over_http2(server, "/api/v1/jobs", b'{"model": "echo", ', b'"input": {}}')
    assert short["state"] == "queued"
    long = json.dumps({"model": "echo", "input": {"text": "x" * 200_000}}).encode()
    assert over_http2(server, "/api/v1/jobs", long)["state"] == "queued"
    assert over_http2(server, "/api/v1/jobs/bulk", json.dumps([GOOD] * 3).encode())["accepted"] == 3
    assert over_http2(server, "/api/v1/uploads", b"x" * 100_000)["size"] == 100_000
    assert over_http2(server, "/api/v1/jobs", b"")["code"] == "malformed"
    form = {"content-type": "multipart/form-data; boundary=b"}
    assert over_http2(server, "/api/v1/jobs", FORM, **form)["state"] == "queued"
    too_large = over_http2(server, "/api/v1/jobs", b" " * 2_000_000)
    assert (too_large["status"], too_large["code"]) == (413, "body_too_large")


FORM = b'--b\r\nContent-Disposition: form-data; name="job"\r\n\r\n{"model": "echo", "input": {}}\r\n--b--\r\n'


@pytest.mark.parametrize("megabytes", [1, 30])
def test_a_client_that_sends_everything_first_reads_why_it_was_refused(serve: Serve, megabytes: int) -> None:
    server = serve()
    port = server.base_url.port
    for token, path, status in (
        (server.headers["Authorization"], "/api/v1/jobs", 413),
        ("Bearer x", "/api/v1/jobs", 401),
        (server.headers["Authorization"], "/api/v1/nothing", 404),
    ):
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as plain:
            plain.request("POST", path, b" " * (megabytes * 2**20 + 1), {"Authorization": token})
            answer = plain.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (status, status)


def test_a_chunked_upload_that_is_too_large_reads_why_it_was_refused(serve: Serve) -> None:
    server = serve(MAX_BODY_BYTES="1000")
    with closing(HTTPConnection("127.0.0.1", server.base_url.port, timeout=30)) as plain:
        headers = {"Authorization": server.headers["Authorization"], "Expect": "100-continue"}
        plain.request("POST", "/api/v1/jobs", iter([b" " * 100_000] * 200), headers, encode_chunked=True)
        assert plain.getresponse().status == 413


@pytest.mark.parametrize("version", [10, 11])
def test_versions_1_0_and_1_1_of_http_are_answered_alike(serve: Serve, version: int) -> None:
    server = serve()
    with closing(HTTPConnection("127.0.0.1", server.base_url.port, timeout=30)) as plain:
        plain._http_vsn, plain._http_vsn_str = version, f"HTTP/1.{version - 10}"  # type: ignore[attr-defined]  # it has no public name
        headers = {"Authorization": server.headers["Authorization"]}
        plain.request("POST", "/api/v1/jobs", json.dumps(GOOD), headers)
        answer = plain.getresponse()
        assert (answer.status, json.loads(answer.read())["state"]) == (202, "queued")
        assert answer.headers["X-Request-ID"]


def test_an_answer_names_its_request(serve: Serve) -> None:
    server, named = serve(), {"X-Request-ID": "mine-4711"}
    job = server.post("/api/v1/jobs", json=GOOD, headers=named)
    path = f"/api/v1/jobs/{job.json()['id']}"
    for answer in (
        job,
        server.get(path, headers=named),
        server.get(f"{path}?wait=0.1", headers=named),
        server.get(f"{path}?wait=soon", headers=named),
        server.get("/api/v1/nothing", headers=named),
        server.post("/api/v1/jobs", content=b" " * 1_100_000, headers=named),
        server.get("/healthz", headers=named),
    ):
        assert answer.headers["X-Request-ID"] == "mine-4711", answer.url
    assert len({server.get("/healthz").headers["X-Request-ID"] for _ in range(2)}) == 2


def test_the_longest_wait_ends_before_a_proxy_gives_up() -> None:
    assert Config().result_wait_limit_s == 55
