"""Each bad input gets a clear error, and the platform goes on."""

import socket

import httpx
import pytest

from inference_site.stack.harness import Stack
from tests.support.app import JOBS, App

BULK = f"{JOBS}/bulk"
DEEP = b'{"model": "echo", "input": {"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}"
BIG = b'{"model": "echo", "input": {"a": "' + b"x" * 1_100_000 + b'"}}'
BAD = {
    "unknown model": (JOBS, b'{"model": "nobody", "input": {}}', 404, "model_not_found"),
    "unknown version": (JOBS, b'{"model": "echo:77", "input": {}}', 404, "model_not_found"),
    "unknown alias": (JOBS, b'{"model": "echo@gone", "input": {}}', 404, "model_not_found"),
    "wrong type": (JOBS, b'{"model": "minilm", "input": {"text": 5}}', 422, "invalid_input"),
    "a list for an object": (JOBS, b'{"model": "echo", "input": []}', 422, "invalid_input"),
    "empty text": (JOBS, b'{"model": "minilm", "input": {"text": ""}}', 422, "invalid_input"),
    "empty list": (BULK, b"[]", 400, "malformed"),
    "empty body": (JOBS, b"", 400, "malformed"),
    "oversize body": (JOBS, BIG, 413, "body_too_large"),
    "broken UTF-8": (JOBS, b'{"model": "echo", "input": {"a": "\xff\xfe"}}', 400, "malformed"),
    "lone surrogate": (JOBS, rb'{"model": "echo", "input": {"a": "\ud800"}}', 400, "malformed"),
    "deep JSON": (JOBS, DEEP, 400, "malformed"),
    "NaN": (JOBS, b'{"model": "echo", "input": {"a": NaN}}', 400, "malformed"),
    "infinity": (JOBS, b'{"model": "echo", "input": {"a": 1e999}}', 400, "malformed"),
    "not JSON": (JOBS, b"model=echo", 400, "malformed"),
    "no model": (JOBS, b'{"input": {}}', 400, "malformed"),
    "priority 10": (JOBS, b'{"model": "echo", "input": {}, "priority": 10}', 400, "malformed"),
    "unknown field": (JOBS, b'{"model": "echo", "input": {}, "prio": 1}', 400, "malformed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_gets_a_clear_error(name: str, app: App) -> None:
    path, body, status, code = BAD[name]
    answer = app.http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_an_oversize_body_is_refused_before_it_is_read(app: App) -> None:
    """The `Content-Length` is enough: the body never comes."""
    url = app.http.base_url
    head = (
        f"POST {JOBS} HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: {app.http.headers['Authorization']}\r\n"
    )
    with _connected(url) as wire:
        wire.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 999999999\r\n\r\n".encode())
        assert b" 413 " in wire.recv(4096).split(b"\r\n")[0]


def _connected(url: httpx.URL) -> socket.socket:
    return socket.create_connection((url.host, url.port or 80), timeout=20)


def test_one_bad_item_of_a_bulk_is_rejected_alone(app: App) -> None:
    items = [{"model": "echo", "input": {}}, {"model": "nobody", "input": {}}, {"model": "echo", "input": 5}]
    body = app.http.post(BULK, json=items).json()
    assert (body["accepted"], body["rejected"]) == (1, 2)
    assert [job.get("problem", {}).get("code") for job in body["jobs"]] == [
        None, "model_not_found", "invalid_input",
    ]  # fmt: skip


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic abc"])
def test_a_call_without_a_valid_token_is_refused(token: str, stack: Stack) -> None:
    headers = {"Authorization": token} if token else {}
    answer = httpx.get(f"{stack.info['api']}{JOBS}", headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_job_that_does_not_exist_is_not_found(app: App) -> None:
    answer = app.http.get(f"{JOBS}/01890000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
