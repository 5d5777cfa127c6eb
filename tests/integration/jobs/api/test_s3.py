"""With PAYLOAD_STORAGE=s3 large payloads lie in a bucket, and are read back unchanged or as an error."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from threading import get_ident
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.core.payloads.pointer import PayloadPointer, is_pointer, pointer_of
from jobs.models import DeadLetter, Job, JobInput, JobResult, Upload
from jobs.payloads.object_store import get, put, put_stream
from jobs.services.retention.delete_objects import forget_payloads
from jobs.services.retention.rotate_keys import rotate_payload_keys
from models_registry.loaders.builtin import Echo
from tests.support import payload_keys, s3
from tests.support.s3 import Bucket
from tests.support.worker import run

BIG = "é" * 70_000
FILE = bytes(range(256)) * 1_000
LARGE = 9_000_000  # more than one part of a multipart upload to S3


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3.serving() as address:
        yield address


@pytest.fixture
def bucket(db: str, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in s3.AWS.items():
        monkeypatch.setenv(name, value)
    payload_keys.secret_version(options={}, input_schema={})
    with s3.bucket_at(address) as bucket:
        yield bucket


def request_body(value: Any, version: str = "1") -> str:
    return json.dumps({"model": f"{payload_keys.MODEL}:{version}", "input": value}, ensure_ascii=False)


def submit(app: Client, value: Any) -> UUID:
    answer = app.post("/api/v1/jobs", data=request_body(value).encode(), content_type="application/json")
    assert answer.status_code == 202, answer.content
    return UUID(answer.json()["id"])


def job(app: Client, job_id: UUID) -> Any:
    return app.get(f"/api/v1/jobs/{job_id}").json()


def pointer(rows: Any, job_id: UUID) -> PayloadPointer:
    body = bytes(rows.objects.get(pk=job_id).body)
    assert is_pointer(body)
    return pointer_of(body)


def test_a_large_input_and_a_large_output_go_to_the_bucket_and_come_back(
    bucket: Bucket, app: Client, session: sa.Connection
) -> None:
    job_id = submit(app, {"text": BIG})
    run(session)
    assert job(app, job_id)["output"] == {"text": BIG}
    pointers = [pointer(rows, job_id) for rows in (JobInput, JobResult)]
    assert sorted(bucket.keys) == sorted(pointer.name for pointer in pointers)
    for stored in pointers:
        assert sha256(bucket.read(stored.name)).hexdigest() == stored.sha256
    assert json.loads(bucket.read(pointers[1].name)) == {"text": BIG}


def test_small_payloads_send_no_request_to_the_bucket(
    bucket: Bucket, app: Client, session: sa.Connection
) -> None:
    job_id = submit(app, {"text": "short"})
    run(session)
    assert job(app, job_id)["output"] == {"text": "short"}
    assert bucket.keys == []


def test_files_of_a_form_and_of_an_upload_go_to_the_bucket_and_reach_the_model(
    bucket: Bucket, app: Client, session: sa.Connection
) -> None:
    upload = app.post("/api/v1/uploads", data=FILE, content_type="application/octet-stream").json()
    assert upload["sha256"] == sha256(FILE).hexdigest()
    form = {
        "job": request_body({"ahead": {"$upload": upload["id"]}, "beside": {"$part": "note"}}),
        "note": SimpleUploadedFile("note.txt", b"a note", "text/plain"),
    }
    answer = app.post("/api/v1/jobs", data=form)
    assert answer.status_code == 202, answer.content
    run(session)
    assert job(app, answer.json()["id"])["output"] == {
        "ahead": b64encode(FILE).decode(),
        "beside": "a note",
    }
    files = {bucket.read(file.name) for file in pointer(JobInput, UUID(answer.json()["id"])).files}
    assert files == {FILE, b"a note"}
    assert Upload.objects.get().name in bucket.keys


@pytest.mark.parametrize("sent", ["whole", "in chunks"])
def test_a_server_of_the_site_streams_a_file_of_many_parts_to_the_bucket(
    bucket: Bucket, serve: Callable[..., httpx.Client], sent: str
) -> None:
    body = bytes(1_000) * (LARGE // 1_000)
    pieces = (body[at : at + 100_000] for at in range(0, LARGE, 100_000))
    client = serve(**bucket.env)
    kind = {"Content-Type": "application/octet-stream"}
    answer = client.post("/api/v1/uploads", content=body if sent == "whole" else pieces, headers=kind)
    assert answer.status_code == 201, answer.text
    size_and_digest = (answer.json()["size"], answer.json()["sha256"])
    assert size_and_digest == (LARGE, sha256(body).hexdigest())
    assert bucket.read(Upload.objects.get().name) == body


def test_a_file_of_an_encrypted_version_is_sealed_in_the_bucket_and_a_rotation_leaves_it(
    bucket: Bucket, app: Client, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload_keys.use(monkeypatch, payload_keys.OLD)
    payload_keys.secret_version("sealed", options={"encrypt": True}, input_schema={})
    body = b"open-sesame" * (LARGE // 11)
    beside = SimpleUploadedFile("note.txt", body, "text/plain")
    form = {"job": request_body({"text": {"$part": "note"}}, version="sealed"), "note": beside}
    job_id = UUID(app.post("/api/v1/jobs", data=form).json()["id"])
    payload_keys.use(monkeypatch, payload_keys.NEW, payload_keys.OLD)
    assert rotate_payload_keys(actor="olga", batch=10).rows == 1
    payload_keys.use(monkeypatch, payload_keys.NEW)
    run(session)
    assert job(app, job_id)["output"] == {"text": body.decode()}
    assert len(bucket.keys) == 3  # the file, the input that points at it, and the output
    assert not any(b"open-sesame" in bucket.read(key) for key in bucket.keys)


def test_a_source_that_gives_small_chunks_is_stored_complete(bucket: Bucket) -> None:
    class Source(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1_000))

    stored = put_stream(Source(FILE), content_type="text/plain")
    assert (stored.size, get(stored)) == (len(FILE), FILE)


def test_a_request_body_is_read_on_the_thread_that_serves_it(bucket: Bucket) -> None:
    threads = set[int]()

    class Source(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            threads.add(get_ident())
            return super().read(size)

    assert put_stream(Source(bytes(LARGE)), content_type="text/plain").size == LARGE
    assert threads == {get_ident()}


@pytest.mark.parametrize("limit", [200_000, LARGE - 100_000], ids=["in its first part", "in its second"])
def test_a_file_that_proves_too_large_leaves_nothing_in_the_bucket(
    bucket: Bucket, serve: Callable[..., httpx.Client], limit: int
) -> None:
    client = serve(**bucket.env, MAX_UPLOAD_BYTES=str(limit))
    pieces = (bytes(50_000) for _ in range(limit // 50_000 + 2))
    kind = {"Content-Type": "application/octet-stream"}
    answer = client.post("/api/v1/uploads", content=pieces, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert bucket.keys == []
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("damage", [FILE[:-1], FILE + b".", b"X" + FILE[1:]])
def test_a_tampered_object_is_the_error_of_its_one_job(
    bucket: Bucket, app: Client, session: sa.Connection, damage: bytes
) -> None:
    victim, other = (submit(app, {"text": BIG + str(n)}) for n in range(2))
    bucket.write(pointer(JobInput, victim).name, damage)
    assert set(run(session)) == {victim, other}
    assert (job(app, victim)["state"], job(app, other)["state"]) == ("dead", "succeeded")
    assert (DeadLetter.objects.get().job_id, DeadLetter.objects.get().code) == (victim, "payload_corrupt")
    bucket.write(pointer(JobResult, other).name, damage)
    view = job(app, other)
    assert ("output" in view, view["error"]["code"]) == (False, "payload_corrupt")


def test_a_missing_object_is_lost_and_a_silent_server_is_retried(
    bucket: Bucket, app: Client, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, waits = (submit(app, {"text": BIG}) for _ in range(2))
    bucket.drop(pointer(JobInput, lost).name)
    name = pointer(JobInput, waits).name
    denied = bucket.client.exceptions.ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")
    monkeypatch.setattr("jobs.payloads.object_store.storage", Refusing(name, denied))
    run(session, attempts_left=True)
    states = {row.id: (row.state, row.error_code) for row in Job.objects.all()}
    assert states == {lost: ("dead", "payload_lost"), waits: ("waiting", "payload_unavailable")}


class Refusing:
    """A storage that gives every object but one."""

    def __init__(self, name: str, error: Exception) -> None:
        from jobs.payloads.object_store import storage

        self.name, self.error, self.whole = name, error, storage()

    def __call__(self) -> Any:
        return self

    def open(self, name: str) -> Any:
        if name == self.name:
            raise self.error
        return self.whole.open(name)


def test_only_old_objects_without_a_pointer_are_deleted(
    bucket: Bucket, app: Client, session: sa.Connection
) -> None:
    job_id = submit(app, {"text": BIG})
    orphan = bucket.backdate(put(b"of a call that was undone").name)
    young = put(b"of a call that is under way").name
    name = pointer(JobInput, job_id).name
    old = bucket.backdate(name)
    body = bytes(JobInput.objects.get().body).replace(name.encode(), old.encode())
    JobInput.objects.update(body=body)
    assert forget_payloads(grace_h=1) == 1
    assert sorted(bucket.keys) == sorted([old, young])
    assert orphan not in bucket.keys
    run(session, Echo())
    assert job(app, job_id)["output"] == {"text": BIG}
