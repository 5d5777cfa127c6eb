"""After an erasure nothing that the client sent is anywhere: no table, no column, no file, no queue."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from django.core.management import call_command
from django.db import connection
from django.test import Client as HttpClient

from jobs.core.errors import PayloadUnavailableError
from jobs.core.states import State
from jobs.db.session import transaction
from jobs.models import Batch, Delivery, DisabledEndpoint, Event, Job, UnwantedObject, Upload
from jobs.services.access.tokens import create_token
from jobs.services.erasure.erase_job import erase_job
from jobs.services.erasure.statements import TABLES
from jobs.services.erasure.unwanted_objects import delete_unwanted
from jobs.services.lifecycle import progress
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.overdue import expire
from jobs.services.lifecycle.progress import ProgressReport
from jobs.services.reads.job_views import job_view
from jobs.services.submission.uploads import take_upload
from jobs.services.webhooks.secrets import make_secret
from jobs.worker.stages.execute import execute_all
from jobs.worker.stages.settler import Settler, verdicts_of
from models_registry import selectors
from models_registry.loaders.builtin import Echo
from tests.support import worker
from tests.support.factories import make_client, make_version
from tests.support.marker import places
from tests.support.submit import owner, submit_to

MARK = "Xq7-marker-of-the-client"
SECRET = {"type": "object", "properties": {"who": {"type": "string", "x-subject": True}}}


@pytest.fixture(params=["plain", "encrypted"])
def model(request: pytest.FixtureRequest, folder: Path) -> str:
    """A version that keeps its inputs in clear, or one that encrypts them."""
    selectors.forget()
    options = {"encrypt": request.param == "encrypted", "cache_ttl_s": 600}
    make_version("notes", input_schema=SECRET, options=options)
    make_secret(client="tests", actor="test")
    return "notes"


@pytest.fixture
def tokened(folder: Path) -> HttpClient:
    token = create_token(client="tests", scopes=["read", "erase", "cancel", "replay"])
    return HttpClient(headers={"Authorization": f"Bearer {token}"})


def submit(model: str) -> UUID:
    """Submit a job with the mark in everything that a client can fill."""
    source = BytesIO(f"a file of {MARK}".encode())
    upload = take_upload(owner=owner(), source=source, content_type=f"text/plain; name={MARK}")
    value = {"who": MARK, "file": {"$upload": str(upload.id)}}
    job = submit_to(
        model,
        value,
        parameters={"hint": MARK},
        metadata={"note": MARK},
        idempotency_key=MARK,
        callback_url=f"http://127.0.0.1/{MARK}",
    )
    return job.id


def end(job: UUID, state: State, session: sa.Connection) -> None:
    """Bring a job to its end, which leaves the mark in its output or error, and in its progress."""
    if state is State.CANCELLED:
        cancel_job(job_id=job, actor="test")
    elif state is State.EXPIRED:
        expire_now(job, session)
    else:
        batch = worker.claim_due(session)
        report = ProgressReport(1, 1, 0.5, MARK)
        progress.write_progress(session, batch=batch.id, reports={job: report})
        runner = worker.raising(lambda _: ValueError(f"no, {MARK}")) if state is State.DEAD else None
        worker.finish(session, batch, runner)
    assert Job.objects.get(pk=job).state == state


def expire_now(job: UUID, session: sa.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_job SET deadline = now() WHERE id = %s", (job,))
        cursor.execute("UPDATE jobs_outbox SET deadline = now() WHERE job_id = %s", (job,))
    with transaction(session):
        expire(session, [job])


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED])
def test_nothing_of_an_erased_job_is_left(
    model: str, state: State, session: sa.Connection, folder: Path, tokened: HttpClient
) -> None:
    job = submit(model)
    end(job, state, session)
    DisabledEndpoint.objects.create(client=make_client(), url=Delivery.objects.get().url)
    assert places(MARK, folder), "else this test would prove nothing"
    answer = tokened.delete(f"/api/v1/jobs/{job}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert places(MARK, folder) == set()
    assert not [path for path in folder.rglob("*") if path.is_file()]
    row = Job.objects.get(pk=job)
    assert (row.state, row.idempotency_key, row.request_digest, row.error_code) == (state, None, None, "")
    assert row.erased_at is not None
    assert not Upload.objects.exists()
    assert not UnwantedObject.objects.exists()


def test_every_table_with_a_job_s_id_has_its_fate(db: str) -> None:
    """A table that is made later is decided on here, or the test says so."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT table_name FROM information_schema.columns c JOIN pg_class ON relname = table_name
               WHERE table_schema = current_schema() AND column_name = 'job_id' AND NOT relispartition
                 AND relkind IN ('r', 'p')"""
        )
        assert {name for (name,) in cursor.fetchall()} == set(TABLES)


def test_an_erased_job_answers_410_and_is_in_no_list(model: str, tokened: HttpClient) -> None:
    job = submit(model)
    for _ in range(2):  # once more changes nothing
        assert tokened.delete(f"/api/v1/jobs/{job}").status_code == 204
    assert Event.objects.filter(kind="erase", job_id=job).count() == 1
    here = f"/api/v1/jobs/{job}"
    calls = [tokened.get(here), tokened.get(f"{here}/events"), tokened.get(f"{here}/lineage")]
    calls += [tokened.post(f"{here}/cancel"), tokened.post(f"{here}/replay")]
    assert [(answer.status_code, answer.json()["code"]) for answer in calls] == [(410, "job_erased")] * 5
    assert tokened.get("/api/v1/jobs").json()["jobs"] == []
    again = submit(model)
    assert again != job, "its idempotency key is free again"


def test_another_client_s_job_is_not_there_to_be_erased(model: str, folder: Path) -> None:
    job = submit(model)
    stranger = HttpClient(headers={"Authorization": f"Bearer {create_token(client='x', scopes=['erase'])}"})
    assert stranger.delete(f"/api/v1/jobs/{job}").status_code == 404
    assert Job.objects.get(pk=job).erased_at is None
    assert stranger.delete(f"/api/v1/jobs/{UUID(int=7)}").status_code == 404


def test_what_a_worker_still_says_of_an_erased_job_is_not_stored(
    model: str, session: sa.Connection, folder: Path
) -> None:
    job = submit(model)
    batch = worker.claim_due(session)
    assert erase_job(job_id=job, actor="test")
    report = ProgressReport(1, 1, 0.5, MARK)
    progress.write_progress(session, batch=batch.id, reports={job: report})
    worker.finish(session, batch)
    assert places(MARK, folder) == set()
    assert Batch.objects.get().fenced == 1


def test_an_exception_that_is_named_after_its_input_leaves_no_name_behind(
    session: sa.Connection, folder: Path
) -> None:
    selectors.forget()
    make_version("notes")
    job = submit_to("notes", {"who": MARK}).id
    named = type(MARK.replace("-", "_"), (ValueError,), {})
    worker.finish(session, worker.claim_due(session), worker.raising(lambda _: named("no")))
    assert places(named.__name__, folder) >= {"jobs_job"}, "else this test would prove nothing"
    assert Event.objects.get(kind="failed").detail["code"] == "ValueError"
    erase_job(job_id=job, actor="test")
    assert places(named.__name__, folder) == set()


def test_a_large_output_that_comes_too_late_is_deleted(session: sa.Connection, folder: Path) -> None:
    selectors.forget()
    make_version("notes")
    job = submit_to("notes", {"text": MARK + "x" * 100_000}).id
    batch = worker.claim_due(session)
    worker.prepare(batch, Echo())
    execute_all(batch)
    verdicts = verdicts_of(batch)
    assert erase_job(job_id=job, actor="test")
    assert places(MARK, folder), "the worker has stored its output"
    settler: Any = Settler.__new__(Settler)  # `_store` uses the node's name alone
    settler._node = "gpu-0@tests"
    with transaction(session):
        settler._store(session, batch, verdicts)
    assert delete_unwanted() == 1
    assert places(MARK, folder) == set()


def test_a_file_stays_while_another_job_needs_it(session: sa.Connection, folder: Path) -> None:
    selectors.forget()
    make_version("notes", input_schema=SECRET)
    source = BytesIO(f"a file of {MARK}".encode())
    upload = take_upload(owner=owner(), source=source, content_type="text/plain")
    first, second = (submit_to("notes", {"who": who, "file": {"$upload": str(upload.id)}}).id for who in "ab")
    erase_job(job_id=first, actor="test")
    assert (folder / upload.file.name).exists()
    erase_job(job_id=second, actor="test")
    assert places(MARK, folder) == set()
    assert not Upload.objects.exists()


def test_objects_go_later_where_the_storage_is_away(
    model: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(model)

    def fails(_name: str) -> None:
        raise PayloadUnavailableError

    with monkeypatch.context() as away:
        away.setattr("jobs.services.erasure.unwanted_objects.delete", fails)
        assert erase_job(job_id=job, actor="test")
    assert UnwantedObject.objects.exists()
    assert delete_unwanted() > 0
    assert places(MARK, folder) == set()


def test_a_copy_of_its_result_stays_with_the_other_job(session: sa.Connection, folder: Path) -> None:
    """The other job is a request of its own, with the same input; its cache entry may not answer any more."""
    selectors.forget()
    make_version("notes", options={"cache_ttl_s": 600})
    large = {"text": "x" * 100_000}
    first = submit_to("notes", large).id
    worker.run(session)
    second = submit_to("notes", large)
    assert second.cached_from == first
    erase_job(job_id=first, actor="test")
    view = job_view(second.id, client_id=None)
    assert view is not None
    assert msgspec.json.decode(view["output"]) == large
    third = submit_to("notes", large)
    assert third.cached_from is None


def test_a_job_is_erased_by_a_command(model: str, folder: Path) -> None:
    job = submit(model)
    call_command("erase", job=job)
    assert places(MARK, folder) == set()
