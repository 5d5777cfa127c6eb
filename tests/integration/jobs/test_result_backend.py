"""Celery's own clients read jobs through the result backend."""

import json
import os
import pickle
import subprocess
import sys
from struct import pack
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from celery import Celery
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from django.db import connection
from django.utils import timezone

from inference_client.job_failed import JobFailedError
from jobs import result_backend
from jobs.core.ids import uuid7
from jobs.core.payloads.stored_output import stored_output
from jobs.core.states import TERMINAL, State
from jobs.models import Batch, Client, DeadLetter, Event, Job, JobResult, Worker
from jobs.result_backend import JobBackend, JobControl
from models_registry.core.output import Output
from models_registry.models import ModelVersion, RegisteredModel

BY_NAME = "jobs.result_backend:JobBackend"


@pytest.fixture
def app(db: str) -> Celery:
    made = Celery("client", backend=f"{BY_NAME}+{db}", broker="memory://", set_as_current=False)
    made.conf.update(accept_content=["json"], result_serializer="json")
    return made


@pytest.fixture
def version(db: str) -> ModelVersion:
    model = RegisteredModel.objects.create(name="echo")
    return ModelVersion.objects.create(model=model, version="1", loader="entry_point", artifact="a:b")


def a_job(version: ModelVersion, state: State = State.QUEUED, **columns: Any) -> Job:
    client, _ = Client.objects.get_or_create(name="tests")
    columns.setdefault("finished_at", timezone.now() if state in TERMINAL else None)
    return Job.objects.create(
        id=uuid7(1_790_000_000_000, uuid4().int),
        client=client,
        version=version,
        model="echo",
        priority=4,
        state=state,
        max_attempts=3,
        batch=a_batch(version) if state is State.RUNNING else None,
        **columns,
    )


def a_batch(version: ModelVersion) -> Batch:
    worker = Worker.objects.create(id=uuid4(), node="gpu-0@a", host="a", pid=1, device="cpu", model_names=[])
    return Batch.objects.create(
        id=uuid4(), worker=worker, version=version, members=[], size=0, seal_reason="idle"
    )


def a_succeeded_job(version: ModelVersion, body: bytes) -> Job:
    job = a_job(version, State.SUCCEEDED, epoch=1, attempts=1)
    JobResult.objects.create(job=job, epoch=1, body=body)
    return job


def a_dead_job(version: ModelVersion) -> Job:
    job = a_job(version, State.DEAD, error_kind="poison", error_code="bad_item", attempts=2)
    DeadLetter.objects.create(
        job=job,
        epoch=2,
        model="echo",
        kind="poison",
        code="bad_item",
        message="no such word",
        traceback='Traceback\n  File "m.py", line 1',
        fingerprint="poison:bad_item:-",
    )
    return job


def result_of(job: Job, app: Celery) -> AsyncResult:
    return AsyncResult(str(job.id), app=app)


def test_get_returns_the_output_of_a_succeeded_job(app: Celery, version: ModelVersion) -> None:
    job = a_succeeded_job(version, b'{"embedding":[0.5,1e-07],"text":"\\u0000"}')
    assert result_of(job, app).get(timeout=5) == {"embedding": [0.5, 1e-07], "text": "\x00"}


def test_get_returns_an_output_of_bytes_as_json_does(app: Celery, version: ModelVersion) -> None:
    meta = {"dtype": "float32", "shape": [2], "field": "embedding"}
    job = a_succeeded_job(version, stored_output(Output(pack("<2f", 0.5, -2.0), meta=meta)))
    assert result_of(job, app).get(timeout=5) == {"embedding": [0.5, -2.0]}


def test_the_site_s_own_application_uses_this_backend_by_name(version: ModelVersion) -> None:
    from inference_site.celery import app as site

    job = a_succeeded_job(version, b"[1,2]")
    assert isinstance(site.backend, JobBackend)
    assert site.AsyncResult(str(job.id)).get(timeout=5) == [1, 2]


def test_a_plain_process_needs_only_the_settings_module_and_a_url(db: str, version: ModelVersion) -> None:
    job = a_succeeded_job(version, b'"answer"')
    script = (
        "import sys; from celery import Celery\n"
        f"app = Celery(backend='{BY_NAME}+' + sys.argv[1], broker='memory://')\n"
        "print(app.AsyncResult(sys.argv[2]).get(timeout=20))\n"
    )
    env = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "inference_site.settings"}
    words = [sys.executable, "-c", script, db, str(job.id)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "answer", done.stderr


def test_an_output_that_looks_like_a_kombu_object_is_returned_as_stored(
    app: Celery, version: ModelVersion
) -> None:
    body = {"__type__": "uuid", "__value__": {"hex": "0" * 32}}
    job = a_succeeded_job(version, json.dumps(body).encode())
    assert result_of(job, app).get(timeout=5) == body


def test_a_stored_pickle_is_never_loaded(app: Celery) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return pytest.fail, ("unpickled",)

    with pytest.raises(ValueError, match=r"decode|Expecting"):
        app.backend._decode_stored_result(pickle.dumps(Bomb()))


def test_get_raises_for_a_dead_job_with_its_kind_and_code(app: Celery, version: ModelVersion) -> None:
    result = result_of(a_dead_job(version), app)
    with pytest.raises(JobFailedError, match="no such word") as raised:
        result.get(timeout=5)
    assert (raised.value.kind, raised.value.error_code) == ("poison", "bad_item")
    assert result.traceback is None  # it is the operators'


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_get_raises_revoked_for_a_cancelled_or_expired_job(
    app: Celery, version: ModelVersion, state: State
) -> None:
    with pytest.raises(TaskRevokedError, match=state.value):
        result_of(a_job(version, state), app).get(timeout=5)


@pytest.mark.parametrize(
    ("state", "celery_state"),
    [(State.QUEUED, "PENDING"), (State.RUNNING, "STARTED"), (State.WAITING, "RETRY")],
)
def test_a_live_job_has_its_celery_state(
    app: Celery, version: ModelVersion, state: State, celery_state: str
) -> None:
    assert result_of(a_job(version, state), app).state == celery_state


def test_a_waiting_job_s_result_is_the_failure_of_its_last_attempt(
    app: Celery, version: ModelVersion
) -> None:
    job = a_job(version, State.WAITING, error_kind="transient", error_code="busy", attempts=1)
    failure = result_of(job, app).result
    assert isinstance(failure, JobFailedError)
    assert (failure.kind, failure.error_code) == ("transient", "busy")


@pytest.mark.parametrize("task_id", ["00000000-0000-7000-8000-000000000001", "not-a-uuid", "celery"])
def test_an_unknown_id_is_pending_and_has_no_result(app: Celery, task_id: str) -> None:
    assert AsyncResult(task_id, app=app).state == "PENDING"
    assert not app.backend.task_result_exists(task_id)


def test_an_existing_job_has_a_result_row_in_celery_s_sense(app: Celery, version: ModelVersion) -> None:
    assert app.backend.task_result_exists(str(a_job(version).id))


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "STARTED", "RETRY"])
def test_storing_a_result_changes_nothing(app: Celery, version: ModelVersion, state: str) -> None:
    job = a_job(version)
    app.backend.store_result(str(job.id), ValueError("forged"), state)
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_an_ordinary_task_runs_and_stores_nothing(app: Celery) -> None:
    app.conf.update(task_always_eager=True, task_store_eager_result=True)

    @app.task  # type: ignore[untyped-decorator]  # Celery ships no types
    def add(a: int, b: int) -> int:
        return a + b

    assert add.delay(1, 2).get(disable_sync_subtasks=False) == 3
    assert not JobResult.objects.exists()


def test_forget_and_clean_up_delete_nothing(app: Celery, version: ModelVersion) -> None:
    job = a_succeeded_job(version, b"1")
    result_of(job, app).forget()
    app.backend.cleanup()
    assert JobResult.objects.filter(job=job).exists()


def test_groups_are_refused(app: Celery) -> None:
    for call in (app.backend.restore_group, app.backend.delete_group):
        with pytest.raises(NotImplementedError):
            call("group")
    with pytest.raises(NotImplementedError):
        app.backend.save_group("group", [])


def test_no_table_of_celery_s_own_is_made(app: Celery, db: str) -> None:
    app.conf.database_create_tables_at_setup = True
    JobBackend(app=app, url=db)
    names = sa.inspect(result_backend._engine(db)).get_table_names()
    assert not [name for name in names if name.startswith("celery")]


def test_a_revoke_cancels_the_job(app: Celery, version: ModelVersion) -> None:
    job = a_job(version)
    app.backend.mark_as_revoked(str(job.id), reason="revoked")
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    user = connection.settings_dict["USER"]
    assert Event.objects.get(kind="cancel", job=job.id).actor == f"celery:{user}:{app.main}"


def test_async_result_revokes_in_the_database_and_asks_no_worker(app: Celery, version: ModelVersion) -> None:
    jobs = [a_job(version) for _ in range(3)]
    control = JobControl(app)
    control.revoke(str(jobs[0].id), terminate=True)
    control.terminate([str(job.id) for job in jobs[1:]])
    for job in jobs:
        job.refresh_from_db()
        assert job.state == State.CANCELLED


def test_a_revoke_of_an_ended_or_unknown_job_is_ignored(app: Celery, version: ModelVersion) -> None:
    job = a_succeeded_job(version, b"1")
    for task_id in (str(job.id), str(UUID(int=7)), "not-a-uuid"):
        app.backend.mark_as_revoked(task_id, reason="revoked")
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED
