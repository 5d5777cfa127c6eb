"""Somebody with SQL pastes sealed payloads between rows, or puts plain ones there: nobody reads them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.result import AsyncResult

from jobs import metrics, result_backend
from jobs.core.errors import PayloadErasedError, PayloadPlainError, PayloadUnreadableError
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import Column
from jobs.core.submission.request import JobRequest
from jobs.db.session import transaction
from jobs.models import CacheEntry, DeadLetter, Job, JobInput, JobKey, JobResult, Outbox
from jobs.payloads.job_seal import JobSeal
from jobs.services.dead_letters.edit import replay_edited
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.job_views import job_view
from jobs.services.reads.lineage import lineage
from jobs.services.reads.payloads import show_payload
from jobs.services.reuse import settle_followers
from jobs.services.submission.submit import submit_job
from models_registry.models import ModelVersion
from tests.support.payload_keys import MODEL, secret_version, submit
from tests.support.submit import owner
from tests.support.worker import raising, run

INPUT = {"text": "open-sesame"}
OTHER = {"text": "theirs"}
RESULT = ("body", "encoding", "source", "content_type", "epoch")
KEYS = ("wrapped", "answer")


def copied(rows: Any, names: tuple[str, ...], *, to: Any, of: Any) -> None:
    """Paste columns of one job's row into another's, as a person with SQL does."""
    rows.objects.filter(pk=to).update(**rows.objects.values(*names).get(pk=of))


def name_another_version(job: Any, model: str, version: str) -> None:
    """Change what a job's row and its message name, as a person with SQL does."""
    to = ModelVersion.objects.get(model__name=model, version=version)
    Job.objects.filter(pk=job.id).update(version=to, model=model)
    Outbox.objects.filter(pk=job.id).update(version=to, model=model)


def code(job: Any) -> str | None:
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert "output" not in view
    return str(view["error"]["code"])


def request(value: Any, version: str = "1", client: str = "tests", model: str = MODEL, **fields: Any) -> Any:
    made = JobRequest(model=f"{model}:{version}", input=value, **fields)
    return submit_job(owner=owner(client), request=made)


@pytest.mark.parametrize("whose", ["same client", "another client", "another version", "another model"])
@pytest.mark.parametrize("with_keys", [False, True], ids=["row", "row and keys"])
@pytest.mark.parametrize("as_copy", [False, True], ids=["as its own", "as a copy"])
def test_a_result_pasted_into_another_row_is_read_by_nobody(
    session: sa.Connection, db: str, whose: str, *, with_keys: bool, as_copy: bool
) -> None:
    secret_version("2")
    secret_version(model="vault")
    mine = request(INPUT)
    run(session)
    theirs = request(
        OTHER,
        version="2" if whose == "another version" else "1",
        client="rival" if whose == "another client" else "tests",
        model="vault" if whose == "another model" else MODEL,
    )
    run(session)
    copied(JobResult, RESULT, to=mine.id, of=theirs.id)
    if as_copy:
        JobResult.objects.filter(pk=mine.id).update(source=theirs.id)
    if with_keys:
        copied(JobKey, ("answer",), to=mine.id, of=theirs.id)
    assert code(mine) == "payload_unreadable"
    with pytest.raises(PayloadUnreadableError):
        lineage(mine.id, client_id=None)
    with pytest.raises(PayloadUnreadableError):
        show_payload(mine.id, Column.RESULT)
    app = Celery("app", backend=f"jobs.result_backend:JobBackend+{db}", broker="memory://")
    with pytest.raises(PayloadUnreadableError):
        AsyncResult(str(mine.id), app=app).get(timeout=10)
    result_backend._engine.cache_clear()


def test_keys_pasted_along_with_all_columns_are_those_of_another_job(session: sa.Connection) -> None:
    mine, theirs = submit(INPUT), submit(OTHER)
    run(session)
    copied(JobResult, RESULT, to=mine.id, of=theirs.id)
    copied(JobKey, KEYS, to=mine.id, of=theirs.id)
    JobResult.objects.filter(pk=mine.id).update(source=theirs.id)
    assert code(mine) == "payload_unreadable"


@pytest.mark.parametrize("client", ["tests", "rival"])
@pytest.mark.parametrize("names", [("body",), ("parameters",), ("body", "parameters", "metadata")])
def test_an_input_pasted_into_another_job_does_not_run(
    session: sa.Connection, client: str, names: tuple[str, ...]
) -> None:
    mine = request(INPUT, parameters={"p": 1}, metadata={"m": 1})
    theirs = request(OTHER, client=client, parameters={"p": 2}, metadata={"m": 2})
    copied(JobInput, names, to=mine.id, of=theirs.id)
    copied(JobKey, KEYS, to=mine.id, of=theirs.id)
    run(session)
    assert set(Job.objects.values_list("id", "state")) == {(mine.id, "dead"), (theirs.id, "succeeded")}
    assert DeadLetter.objects.get().code == "payload_unreadable"


@pytest.mark.parametrize(("into", "of"), [("body", "parameters"), ("parameters", "body")])
def test_a_payload_of_another_kind_is_refused(session: sa.Connection, into: str, of: str) -> None:
    job = submit(INPUT, parameters={"p": 1})
    JobInput.objects.update(**{into: JobInput.objects.values_list(of, flat=True).get()})
    run(session)
    assert Job.objects.values_list("id", "error_code").get() == (job.id, "payload_unreadable")


def test_a_job_whose_row_names_another_model_or_a_version_that_does_not_encrypt_cannot_be_read(
    session: sa.Connection,
) -> None:
    secret_version("open", options={})
    secret_version(model="vault")
    job, other = submit(INPUT), submit(INPUT)
    run(session)
    for model, version in ((MODEL, "open"), ("vault", "1")):
        waits = submit(INPUT)
        for row in (job, waits):
            name_another_version(row, model, version)
        run(session)
        assert code(job) == code(waits) == "payload_unreadable"
    Job.objects.filter(pk=other.id).update(client_id=owner("rival").id)
    assert code(other) in {"payload_unreadable", "payload_erased"}


def test_a_sealed_job_that_changes_its_version_within_its_model_is_read_and_answered_there(
    session: sa.Connection,
) -> None:
    secret_version("2")
    ended = submit(INPUT)
    run(session)
    waits = submit(OTHER, parameters={"p": 1}, metadata={"m": 1})
    for job in (ended, waits):
        name_another_version(job, MODEL, "2")
    run(session)
    for job, output in ((ended, INPUT), (waits, OTHER)):
        view = job_view(job.id, client_id=None)
        assert view is not None
        assert view["version"] == "2"
        assert msgspec.json.decode(view["output"]) == output


def test_the_input_before_an_edit_cannot_be_put_back(session: sa.Connection) -> None:
    job = submit(INPUT)
    before = JobInput.objects.values("body", "parameters", "metadata", "encoding").get()
    run(session, raising(lambda _: ValueError("no")))
    replay_edited(job_id=job.id, actor="olga", text='{"text":"mended"}')
    JobInput.objects.update(**before)
    run(session)
    assert Job.objects.get().error_code == "payload_unreadable"


def test_plain_payloads_of_a_version_that_encrypts_are_refused_everywhere(
    session: sa.Connection, db: str
) -> None:
    count = metrics.PAYLOADS_REFUSED.labels("payload_plain")
    before = count._value.get()
    job = submit(INPUT)
    run(session)
    JobResult.objects.update(body=b'{"text":"forged"}', encoding="identity")
    assert code(job) == "payload_plain"
    with pytest.raises(PayloadPlainError):
        show_payload(job.id, Column.RESULT)
    with pytest.raises(PayloadPlainError):
        lineage(job.id, client_id=None)
    app = Celery("app", backend=f"jobs.result_backend:JobBackend+{db}", broker="memory://")
    with pytest.raises(PayloadPlainError):
        AsyncResult(str(job.id), app=app).get(timeout=10)
    result_backend._engine.cache_clear()
    JobKey.objects.all().delete()
    assert code(job) == "payload_plain"
    assert count._value.get() >= before + 5


def test_a_plain_input_of_a_version_that_encrypts_neither_runs_nor_is_replayed(
    session: sa.Connection,
) -> None:
    job = submit(INPUT)
    JobInput.objects.update(body=b'{"text":"forged"}', encoding="identity")
    for _ in range(2):
        run(session)
        assert Job.objects.get().error_code == "payload_plain"
        replay_job(job_id=job.id, actor="olga")
    run(session)
    with pytest.raises(PayloadPlainError):
        show_payload(job.id, Column.INPUT)


def test_a_cache_entry_that_names_another_request_gives_nobody_its_result(session: sa.Connection) -> None:
    secret_version("2", options={"encrypt": True, "cache_ttl_s": 60})
    for value in (INPUT, OTHER):
        request(value, "2")
    run(session)
    theirs = Job.objects.order_by("-id").first()
    assert theirs is not None
    CacheEntry.objects.update(job_id=theirs.id)
    hit = request(INPUT, "2")
    assert hit.cached_from == theirs.id
    assert code(hit) == "payload_unreadable"


def test_a_copied_result_outlives_the_keys_of_the_job_that_ran(session: sa.Connection) -> None:
    secret_version("2", options={"encrypt": True, "cache_ttl_s": 60})
    leader, follower = request(INPUT, "2"), request(INPUT, "2")
    run(session)
    with transaction(session):
        settle_followers.land(session, leader.id)
    hit = request(INPUT, "2")
    JobKey.objects.filter(pk=leader.id).delete()
    for job in (follower, hit):
        view = job_view(job.id, client_id=None)
        assert view is not None
        assert msgspec.json.decode(view["output"]) == INPUT
    assert code(leader) == "payload_erased"
    again = request(INPUT, "2")  # the erased job answers nobody
    assert again.cached_from is None


def test_without_its_keys_a_job_is_gone_for_good(session: sa.Connection) -> None:
    job = submit(INPUT, metadata={"m": 1})
    run(session)
    JobKey.objects.all().delete()
    assert code(job) == "payload_erased"
    with pytest.raises(PayloadErasedError):
        show_payload(job.id, Column.INPUT)


def test_what_an_earlier_release_sealed_is_a_clear_error(session: sa.Connection) -> None:
    job = submit(INPUT)
    run(session)
    JobResult.objects.update(encoding="aesgcm:old")
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert "'aesgcm:old' of another release" in view["error"]["detail"]


def test_what_a_model_said_is_sealed_for_its_job_too() -> None:
    mine, theirs = submit(INPUT), submit(OTHER)
    seals = []
    for job in (mine, theirs):
        row, keys = Job.objects.get(pk=job.id), JobKey.objects.get(pk=job.id)
        identity = JobIdentity(job.id, row.client_id, row.version.model_id)
        seals += [
            JobSeal(identity, bytes(keys.wrapped), bytes(keys.answer), encrypts=True),
            JobSeal(identity, None, None, encrypts=False),  # of a version that only marks personal data
        ]
    for own, other in ((seals[0], seals[2]), (seals[1], seals[3])):
        body, encoding = own.seal_message(b"the model said")
        assert own.unseal_message(body, encoding) == b"the model said"
        with pytest.raises(PayloadUnreadableError):
            other.unseal_message(body, encoding)
    body, encoding = seals[1].seal_message(b"under the client's key")
    with pytest.raises(PayloadUnreadableError):  # where the version encrypts, only the job's key will do
        seals[0].unseal_message(body, encoding)
