"""Files of an encrypted version: sealed at rest, given to the model, and noticed where they were changed."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.core.errors import OverloadedError
from jobs.core.submission.parsed_job import ParsedJob
from jobs.models import Job, JobInput, Upload
from jobs.services.access.owner import Owner, forget_owners
from jobs.services.access.tokens import create_token
from jobs.services.admission.admit import Admission
from jobs.services.lifecycle.replay import replay_job
from jobs.services.retention.rotate_keys import rotate_payload_keys
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.integration.jobs.secrecy.stored_objects import content, names, point, pointer
from tests.support import payload_keys
from tests.support.payload_keys import NEW, OLD, dump, use
from tests.support.worker import raising, run

MARKER = b"open-sesame"
FILE = MARKER * 120_000  # more than one piece
SHA256 = sha256(FILE).hexdigest()
SCHEMA = {"type": "object", "properties": {"text": {"type": "string", "minLength": 3}}}
OCTETS = "application/octet-stream"


@pytest.fixture(autouse=True)
def app(site: None, folder: Path) -> Client:
    forget_owners()
    ModelVersion.objects.update(input_schema=SCHEMA)
    selectors.forget()
    return Client(headers={"Authorization": f"Bearer {create_token(client='tests')}"})


def form(app: Client, body: bytes = FILE, kind: str = "text/plain", **headers: str) -> Any:
    job = json.dumps({"model": payload_keys.MODEL, "input": {"text": {"$part": "note"}}})
    beside = SimpleUploadedFile("note.txt", body, kind)
    return app.post("/api/v1/jobs", data={"job": job, "note": beside}, headers=headers)


def submitted(app: Client, body: bytes = FILE) -> UUID:
    answer = form(app, body)
    assert answer.status_code == 202, answer.content
    return UUID(answer.json()["id"])


def uploaded(app: Client, body: bytes = FILE) -> str:
    return str(app.post("/api/v1/uploads", data=body, content_type=OCTETS).json()["id"])


def post(app: Client, *uploads: str) -> Any:
    bodies = [{"model": payload_keys.MODEL, "input": {"text": {"$upload": upload}}} for upload in uploads]
    path, data = ("/api/v1/jobs", bodies[0]) if len(bodies) == 1 else ("/api/v1/jobs/bulk", bodies)
    return app.post(path, data=data, content_type="application/json").json()


def ahead(app: Client, body: bytes = FILE) -> UUID:
    return UUID(post(app, uploaded(app, body))["id"])


def view(app: Client, job_id: UUID) -> Any:
    return app.get(f"/api/v1/jobs/{job_id}").json()


def code(app: Client, job_id: UUID) -> str:
    job = view(app, job_id)
    return f"{job['state']} {job['error']['code']}"


def test_a_file_of_a_form_reaches_the_model_and_is_stored_only_sealed(
    app: Client, folder: Path, session: sa.Connection
) -> None:
    job_id = submitted(app)
    run(session)
    assert view(app, job_id)["output"] == {"text": FILE.decode()}
    assert MARKER not in content(folder)
    assert MARKER.decode() not in dump()
    assert SHA256 not in dump()
    (file,) = pointer(job_id).files
    assert (file.encoding, file.content_type) == ("job-key", "text/plain")
    assert sha256((folder / file.name).read_bytes()).hexdigest() == file.sha256


@pytest.mark.parametrize("size", [0, 3, 1_048_576, 3_000_000])
def test_an_upload_is_sealed_on_arrival_and_its_job_copies_nothing(
    app: Client, folder: Path, session: sa.Connection, size: int
) -> None:
    body = (MARKER * (size // len(MARKER) + 1))[:size]
    upload = app.post("/api/v1/uploads", data=body, content_type=OCTETS).json()
    assert (upload["size"], upload["sha256"]) == (size, sha256(body).hexdigest())
    assert size < 11 or MARKER not in content(folder)
    job_id = UUID(post(app, upload["id"])["id"])
    assert [file.name for file in pointer(job_id).files] == [Upload.objects.get().name]
    Upload.objects.all().delete()
    run(session)
    if size:
        assert view(app, job_id)["output"] == {"text": b64encode(body).decode()}
    else:  # the worker checks the input with its files in it against the schema
        assert code(app, job_id) == "dead invalid_input"


def test_a_version_that_does_not_encrypt_reads_sealed_uploads_too(
    app: Client, folder: Path, session: sa.Connection
) -> None:
    payload_keys.secret_version("open", options={}, input_schema=SCHEMA)
    body = {"model": f"{payload_keys.MODEL}:open", "input": {"text": {"$upload": uploaded(app)}}}
    job = app.post("/api/v1/jobs", data=body, content_type="application/json").json()
    assert MARKER not in content(folder)
    run(session)
    assert view(app, UUID(job["id"]))["output"] == {"text": b64encode(FILE).decode()}


def test_files_and_their_folders_are_for_one_user_alone(app: Client, folder: Path) -> None:
    submitted(app)
    uploaded(app)
    paths = list(folder.rglob("*"))
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in paths}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_an_upload_from_before_keys_were_set_is_not_taken_for_a_version_that_encrypts(
    app: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    upload = uploaded(app)
    use(monkeypatch, OLD)
    answer = post(app, upload)
    assert (answer["code"], "upload it again" in answer["detail"]) == ("upload_not_found", True)


def test_a_file_of_another_client_or_in_clear_is_not_read(app: Client, session: sa.Connection) -> None:
    payload_keys.secret_version("open", options={}, input_schema=SCHEMA)
    token = create_token(client="rival")
    rival = Client(headers={"Authorization": f"Bearer {token}"})
    ids = [uploaded(app), uploaded(rival)]
    bodies = [
        {"model": f"{payload_keys.MODEL}:open", "input": {"text": {"$upload": upload}}} for upload in ids
    ]
    jobs = [
        UUID(who.post("/api/v1/jobs", data=body, content_type="application/json").json()["id"])
        for who, body in zip((app, rival), bodies, strict=True)
    ]
    (stolen,) = pointer(jobs[1]).files
    (own,) = pointer(jobs[0]).files
    point(jobs[0], msgspec.structs.replace(pointer(jobs[0]), files=(stolen,)))
    run(session)
    sealed = submitted(app)
    in_clear = msgspec.structs.replace(own, encoding="identity", key=b"")
    point(sealed, msgspec.structs.replace(pointer(sealed), files=(in_clear,)))
    run(session)
    assert code(app, jobs[0]) == "dead payload_unreadable"
    assert code(app, sealed) == "dead payload_plain"


def test_a_bulk_call_shares_a_file_and_a_lost_one_fails_its_own_job(
    app: Client, folder: Path, session: sa.Connection
) -> None:
    lost, good = uploaded(app, b"lost"), uploaded(app)
    (folder / Upload.objects.get(pk=lost).name).unlink()
    jobs = [UUID(item["id"]) for item in post(app, good, lost, good)["jobs"]]
    assert len({file.name for at in (0, 2) for file in pointer(jobs[at]).files}) == 1
    assert sorted(run(session)) == jobs
    assert code(app, jobs[1]) == "dead payload_lost"
    assert [view(app, jobs[at])["output"]["text"] for at in (0, 2)] == [b64encode(FILE).decode()] * 2


def test_a_job_that_is_refused_for_load_stores_no_file(
    app: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*, owner: Owner, jobs: dict[int, ParsedJob]) -> Admission:
        return Admission({}, dict.fromkeys(jobs, OverloadedError()))

    monkeypatch.setattr("jobs.services.submission.submit.admit_jobs", full)
    assert post(app, uploaded(app))["code"] == "overloaded"
    assert names(folder) == [Upload.objects.get().name]


def test_the_same_call_with_the_same_file_is_the_same_job(app: Client) -> None:
    first, again, other = (form(app, body, **{"Idempotency-Key": "k"}) for body in (FILE, FILE, b"other"))
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_without_a_key_a_file_is_refused_before_anything_of_it_is_stored(
    app: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    answer = form(app)
    assert (answer.status_code, answer.json()["code"]) == (503, "encryption_unavailable")
    assert names(folder) == []


def test_a_worker_without_the_key_leaves_the_job_to_another(
    app: Client, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(app)
    use(monkeypatch, NEW)
    run(session, attempts_left=True)
    row = Job.objects.get()
    assert (row.state, row.error_code) == ("waiting", "payload_key_missing")


@pytest.mark.parametrize("in_row", [False, True], ids=["in the storage", "in the storage and the row"])
@pytest.mark.parametrize("cut", [1, 1_048_604])
def test_a_changed_file_is_the_error_of_its_one_job(
    app: Client, folder: Path, session: sa.Connection, cut: int, in_row: Any
) -> None:
    victim, other = submitted(app), submitted(app)
    (file,) = pointer(victim).files
    body = (folder / file.name).read_bytes()[:-cut]
    (folder / file.name).write_bytes(body)
    if in_row:
        forged = msgspec.structs.replace(file, size=len(body), sha256=sha256(body).hexdigest())
        point(victim, msgspec.structs.replace(pointer(victim), files=(forged,)))
    assert len(run(session)) == 2
    assert code(app, victim) == f"dead payload_{'unreadable' if in_row else 'corrupt'}"
    assert view(app, other)["state"] == "succeeded"


@pytest.mark.parametrize("whose", ["another's", "nobody's"])
def test_a_file_that_the_input_does_not_name_is_not_given_to_the_model(
    app: Client, session: sa.Connection, whose: str
) -> None:
    victim, donor = submitted(app), submitted(app, b"another file")
    files = pointer(donor).files if whose == "another's" else ()
    point(victim, msgspec.structs.replace(pointer(victim), files=files))
    run(session)
    assert code(app, victim) == f"dead {'payload_unreadable' if files else 'invalid_input'}"
    assert view(app, donor)["output"] == {"text": "another file"}


def test_after_a_rotation_files_and_uploads_need_the_old_key_no_more(
    app: Client, folder: Path, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, upload, before = submitted(app), uploaded(app), names(folder)
    use(monkeypatch, NEW, OLD)
    assert rotate_payload_keys(actor="olga", batch=10).rows == 1
    assert names(folder) == before
    use(monkeypatch, NEW)
    late = UUID(post(app, upload)["id"])
    run(session)
    assert view(app, sent)["output"] == {"text": FILE.decode()}
    assert view(app, late)["output"] == {"text": b64encode(FILE).decode()}


def test_an_edited_input_keeps_its_file_under_the_new_key_of_its_job(
    app: Client, session: sa.Connection
) -> None:
    from jobs.services.dead_letters.edit import replay_edited

    job_id = submitted(app)
    run(session, raising(lambda _: ValueError("no")))
    named = {"$file": {"content_type": "text/plain", "sha256": SHA256, "size": len(FILE)}}
    replay_edited(job_id=job_id, actor="olga", text=json.dumps({"text": named, "also": 1}))
    run(session)
    assert view(app, job_id)["output"] == {"text": FILE.decode(), "also": 1}
    assert pointer(job_id).files[0].encoding == JobInput.objects.get().encoding == "job-key"


def test_a_replayed_job_has_its_file_again(app: Client, session: sa.Connection) -> None:
    job_id = submitted(app)
    run(session, raising(lambda value: ValueError(f"cannot read {value}")))
    assert MARKER.decode() not in dump()
    replay_job(job_id=job_id, actor="olga")
    run(session)
    assert view(app, job_id)["output"] == {"text": FILE.decode()}
