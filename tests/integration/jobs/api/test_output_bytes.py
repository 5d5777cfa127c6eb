"""Outputs of bytes: every road to a client leads past the one place that makes its form of them."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from jobs.core.channels import SETTLED
from jobs.core.payloads.keyring import Column
from jobs.core.payloads.stored_output import stored_output
from jobs.core.states import State
from jobs.models import Job, JobInput, JobResult
from jobs.payloads.claim_check import store_payload
from jobs.services.reads.payloads import show_payload
from models_registry.core.output import Output
from tests.integration.jobs.api.test_events import listen
from tests.support.factories import make_client, make_job
from tests.support.wait import wait_until

VECTOR = np.linspace(-1.0, 1.0, 384, dtype="float32")
STORED = stored_output(Output.of_array(VECTOR, field="embedding"))
PICTURE = stored_output(Output(b"<script>", "text/html"))
NUMBERS = {"embedding": VECTOR.tolist()}
NPY, OCTETS, JSON = "application/x-npy", "application/octet-stream", "application/json"
Post = Callable[..., Any]
Serve = Callable[..., httpx.Client]


def ended(stored: bytes, form: str | None = None) -> str:
    job = make_job(state=State.SUCCEEDED, client=make_client("app"))
    JobInput.objects.filter(job=job).update(output_form=form)
    JobResult.objects.filter(job=job).update(body=stored)
    return f"/api/v1/jobs/{job.id}"


def end(job_id: str, stored: bytes) -> None:
    job = Job.objects.get(pk=job_id)
    JobResult.objects.create(job=job, epoch=job.epoch, body=stored, keep_days=job.keep_days)
    Job.objects.filter(pk=job_id).update(state=State.SUCCEEDED, finished_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(jobs_channel(%s), %s)", [SETTLED, f"job:{job_id}"])


def array(answer: Any) -> Any:
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def test_it_answers_as_json_does_who_asks_for_nothing(app: Client) -> None:
    assert app.get(ended(STORED)).json()["output"] == NUMBERS
    assert json.dumps(NUMBERS, separators=(",", ":")).encode() in app.get(ended(STORED)).content


def test_accept_chooses_the_form(app: Client) -> None:
    path = ended(STORED)
    file, raw = (app.get(path, headers={"Accept": kind}) for kind in (NPY, OCTETS))
    assert file.headers["Content-Type"] == NPY
    assert (array(file) == VECTOR).all()
    assert raw.content == VECTOR.tobytes()
    assert json.loads(raw.headers["Output-Meta"])["shape"] == [384]
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert raw.headers["Content-Disposition"].startswith("attachment")
    assert raw.headers["Cache-Control"] == "no-store"


def test_what_a_model_calls_a_page_is_never_shown_as_one(app: Client) -> None:
    answer = app.get(ended(PICTURE, "raw"), headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("stored", "accept"), [(b'{"a":1}', NPY), (b"[1]", OCTETS), (PICTURE, NPY)])
def test_a_form_that_an_output_cannot_have_is_406(app: Client, stored: bytes, accept: str) -> None:
    answer = app.get(ended(stored), headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_a_job_that_has_not_ended_is_json_whatever_is_asked(app: Client) -> None:
    job = make_job(client=make_client("app"))
    assert app.get(f"/api/v1/jobs/{job.id}", headers={"Accept": NPY}).json()["state"] == "queued"


@pytest.mark.parametrize("way", ["alone", "bulk"])
@pytest.mark.parametrize("encoding", ["base64", "npy", "raw", "json"])
def test_a_submit_chooses_the_form(app: Client, post: Post, encoding: str, way: str) -> None:
    request = {"model": "echo", "input": {}, "encoding": encoding}
    if way == "bulk":
        items = post([request, request], "/api/v1/jobs/bulk").json()["jobs"]
        path = f"/api/v1/jobs/{items[0]['id']}"
    else:
        path = f"/api/v1/jobs/{post(request).json()['id']}"
    end(path.rpartition("/")[2], STORED)
    plain, document = app.get(path), app.get(path, headers={"Accept": JSON}).json()["output"]
    if encoding == "json":
        assert plain.json()["output"] == document == NUMBERS
        return
    kind = {"base64": JSON, "npy": NPY, "raw": OCTETS}[encoding]
    assert plain.headers["Content-Type"] == kind
    assert b64decode(document["base64"])[-VECTOR.nbytes :] == VECTOR.tobytes()
    assert document["media_type"] == (NPY if encoding == "npy" else OCTETS)


def test_another_encoding_is_refused(post: Post) -> None:
    answer = post({"model": "echo", "input": {}, "encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "encoding" in answer.json()["detail"]


def test_another_encoding_under_the_same_key_is_another_request(post: Post) -> None:
    request = {"model": "echo", "input": {}, "idempotency_key": "k"}
    assert post(request).status_code == post(request | {"encoding": "json"}).status_code == 202
    assert post(request | {"encoding": "npy"}).status_code == 409


def test_the_admin_s_page_shows_json(db: str) -> None:
    job = UUID(ended(STORED).rpartition("/")[2])
    shown = show_payload(job, Column.RESULT, most=100)
    assert shown is not None
    assert shown.head == json.dumps(NUMBERS, separators=(",", ":")).encode()[:100]
    large = stored_output(Output.of_array(np.zeros(2**19, "float32")))
    JobResult.objects.filter(job=job).update(body=store_payload(large))
    assert show_payload(job, Column.RESULT, most=100).head.endswith(b'which are too many to be shown"')  # type: ignore[union-attr]


@contextmanager
def a_waiting_submit(server: httpx.Client, **fields: Any) -> Iterator[Callable[[bytes], httpx.Response]]:
    """Yield what ends the job of a call that waits, and returns the call's answer."""
    before = set(Job.objects.values_list("pk", flat=True))
    with ThreadPoolExecutor(1) as pool:
        request = {"model": "echo", "input": {}, **fields}
        call = pool.submit(server.post, "/api/v1/jobs", json=request, headers={"Prefer": "wait=20"})

        def finish(stored: bytes) -> httpx.Response:
            def new() -> set[UUID]:
                return set(Job.objects.values_list("pk", flat=True)) - before

            wait_until(lambda: bool(new()), what="the job")
            (job,) = new()
            end(str(job), stored)
            return call.result(30)

        yield finish


def test_calls_that_wait_and_events_answer_in_the_same_forms(serve: Serve) -> None:
    server, large = serve(), np.arange(100_000, dtype="float32")
    paths: list[str] = [ended(STORED), ended(store_payload(stored_output(Output.of_array(large))))]
    expected: list[Any] = [NUMBERS, large.tolist()]
    for path, values in zip(paths, expected, strict=True):
        for way in (path, f"{path}?wait=1"):
            assert server.get(way).json()["output"] == values
            file = server.get(way, headers={"Accept": NPY})
            assert (file.headers["content-type"], file.headers["x-content-type-options"]) == (NPY, "nosniff")
            assert array(file).tolist() == (values if isinstance(values, list) else values["embedding"])
        with listen(server, UUID(path.rpartition("/")[2])) as events:
            assert next(events).data["output"] == values
    refused = server.get(f"{ended(b'[1]')}?wait=1", headers={"Accept": NPY})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    with a_waiting_submit(server) as finish:
        assert finish(STORED).json()["output"] == NUMBERS
    with a_waiting_submit(server, encoding="raw") as finish:
        answer = finish(STORED)
    assert (answer.status_code, answer.content) == (200, VECTOR.tobytes())
    assert answer.headers["content-type"] == OCTETS
    assert answer.headers["location"].endswith(answer.headers["job-id"])
    with a_waiting_submit(server, encoding="raw") as finish:
        assert finish(b'{"a":1}').json()["output"] == {"a": 1}
