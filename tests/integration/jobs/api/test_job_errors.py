"""A job that ended without an output says why, the same in each way in which its end is read."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from django.test import Client

from inference_client.answers import RemoteJob
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Bury
from jobs.core.states import State
from jobs.db.session import transaction
from jobs.models import DeadLetter, Job
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.overdue import expire
from jobs.services.lifecycle.settle import Verdict, settle
from tests.integration.jobs.api.test_servers import Serve
from tests.support.factories import make_batch, make_client, make_job, make_version, make_worker

LATE = "UPDATE jobs_job SET deadline = now() - interval '1 s' WHERE id = %(job)s"
CANCELLED = ("cancelled", "cancelled", "The job was cancelled by a call of the API.")
EXPIRED = ("timeout", "deadline", "The job's deadline passed before it ended.")


def a_job() -> UUID:
    return make_job(client=make_client("app")).pk


def shown(app: Client, job: UUID) -> tuple[str, str, str]:
    """Return the error of a job, which each way of reading it shows alike."""
    content = app.get(f"/api/v1/jobs/{job}").content
    error = json.loads(content)["error"]
    remote = msgspec.json.decode(content, type=RemoteJob)
    assert remote.error is not None
    assert (remote.error.kind, remote.error.code, remote.error.detail) == tuple(error.values())[:3]
    return error["kind"], error["code"], error["detail"]


def run_late(session: sa.Connection, job: UUID, outcome: Success | Failure) -> None:
    batch = make_batch(make_worker(), make_version("echo"), [Job.objects.get(pk=job)])
    with transaction(session):
        session.exec_driver_sql(LATE, {"job": job})
        settle(session, batch=batch.id, verdicts=[Verdict(job, 1, outcome, Bury("no"))])


def test_a_cancelled_job_says_so(app: Client) -> None:
    job = a_job()
    cancel_job(job_id=job, actor="client:app")
    assert shown(app, job) == CANCELLED


def test_a_job_that_was_cancelled_before_its_next_attempt_says_nothing_of_the_last(app: Client) -> None:
    job = a_job()
    Job.objects.filter(pk=job).update(state="waiting", error_kind="transient", error_code="busy")
    cancel_job(job_id=job, actor="client:app")
    assert shown(app, job) == CANCELLED


def test_a_job_that_expired_while_it_waited_says_so(app: Client, session: sa.Connection) -> None:
    job = a_job()
    with transaction(session):
        session.exec_driver_sql(LATE, {"job": job})
        assert [ended.id for ended in expire(session, [job]).expired] == [job]
    assert shown(app, job) == EXPIRED


@pytest.mark.parametrize("outcome", [Success(b"1"), Failure(FailureKind.INVALID, "bad", "why", "Traceback")])
def test_a_job_that_ran_past_its_deadline_says_so(
    app: Client, session: sa.Connection, outcome: Success | Failure
) -> None:
    job = a_job()
    run_late(session, job, outcome)
    assert shown(app, job) == EXPIRED


def test_a_dead_job_shows_its_message_without_the_host_s_folders(app: Client) -> None:
    job = make_job(state=State.DEAD, client=make_client("app"))
    message = 'no file /srv/models/m/weights.pt\nTraceback (most recent call last):\n  File "/opt/m.py"'
    DeadLetter.objects.filter(job=job).update(message=message, traceback="File /opt/m.py")
    Job.objects.filter(pk=job.pk).update(error_kind="internal", error_code="FileNotFoundError")
    assert shown(app, job.pk) == ("internal", "FileNotFoundError", "no file weights.pt")
    assert "/opt" not in app.get(f"/api/v1/jobs/{job.pk}").content.decode()


def test_events_and_calls_that_wait_say_the_same(serve: Serve) -> None:
    server, job = serve(), a_job()
    cancel_job(job_id=job, actor="client:app")
    assert error_in(server.get(f"/api/v1/jobs/{job}?wait=5")) == CANCELLED
    end = next(line for line in server.get(f"/api/v1/jobs/{job}/events").text.splitlines() if "data:" in line)
    assert tuple(json.loads(end.removeprefix("data:"))["error"].values())[:3] == CANCELLED


def error_in(answer: httpx.Response) -> tuple[Any, ...]:
    return tuple(answer.json()["error"].values())[:3]


def test_celery_says_the_same_and_how_it_was_revoked(echo: None, db: str) -> None:
    app = Celery(
        "app", backend=f"jobs.result_backend:JobBackend+{db}", broker="memory://", set_as_current=False
    )
    called, revoked = a_job(), a_job()
    cancel_job(job_id=called, actor="client:app")
    app.backend.mark_as_revoked(str(revoked), reason="revoked")
    for job, detail in ((called, CANCELLED[2]), (revoked, "cancelled by Celery's revoke")):
        with pytest.raises(TaskRevokedError, match=detail):
            AsyncResult(str(job), app=app).get(timeout=5)
