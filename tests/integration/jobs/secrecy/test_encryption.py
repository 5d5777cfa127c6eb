"""Encrypted jobs, from the submit to the read: nothing of them lies anywhere in clear."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.result import AsyncResult
from django.db import connection
from django.utils import timezone

from jobs import result_backend
from jobs.core.errors import EncryptionUnavailableError, IdempotencyConflictError, PayloadKeyMissingError
from jobs.core.reuse.key import AnswerScope, answer_key
from jobs.core.submission.request import JobRequest
from jobs.db.session import transaction
from jobs.models import CacheEntry, DeadLetter, Job, JobInput, JobResult, Outbox
from jobs.services.dead_letters.payload import words_of
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.job_views import job_view
from jobs.services.reuse import settle_followers
from jobs.services.submission.submit import submit_job, submit_jobs
from jobs.worker.stages.privacy import WITHHELD
from tests.support import payload_keys
from tests.support.payload_keys import NEW, dump, secret_version, submit, use
from tests.support.submit import owner
from tests.support.worker import raising, run

MARKER = "open-sesame"
INPUT = {"text": MARKER, "n": 7}
REST: dict[str, Any] = {"parameters": {"p": MARKER}, "metadata": {"m": MARKER}}


def view(job: Any) -> dict[str, Any]:
    columns = job_view(job.id, client_id=None)
    assert columns is not None
    return {
        name: bytes(value) if isinstance(value, msgspec.Raw) else value for name, value in columns.items()
    }


def test_a_job_succeeds_and_no_table_holds_its_input_in_clear(session: sa.Connection) -> None:
    job = submit(INPUT, **REST, idempotency_key="k")
    assert MARKER not in dump()
    assert run(session) == [job.id]
    assert MARKER not in dump()
    answer = view(job)
    assert (answer["state"], answer["output"]) == ("succeeded", b'{"n":7,"text":"open-sesame"}')
    assert answer["metadata"] == b'{"m":"open-sesame"}'
    assert {JobInput.objects.get().encoding, JobResult.objects.get().encoding} == {"job-key"}


def test_a_bulk_call_is_sealed_too(session: sa.Connection) -> None:
    requests = [
        JobRequest(model=payload_keys.MODEL, input={"text": MARKER, "n": n}, **REST) for n in range(3)
    ]
    submit_jobs(owner=owner(), requests=requests)
    assert MARKER not in dump()
    run(session)
    assert JobResult.objects.filter(encoding="job-key").count() == 3


def test_a_failure_that_quotes_its_input_is_stored_without_it(session: sa.Connection) -> None:
    submit(INPUT, **REST)
    run(session, raising(lambda value: ValueError(f"cannot read {value}")))
    assert MARKER not in dump()
    letter = DeadLetter.objects.get()
    assert (letter.message, letter.traceback, letter.code) == (WITHHELD, "", "ValueError")
    words = words_of(letter.pk)
    assert words is not None
    assert MARKER in words.message


def test_equal_parameters_share_a_batch_and_unequal_ones_do_not() -> None:
    for value in (1, 1, 2, None):
        submit(INPUT, parameters=None if value is None else {"p": value})
    variants = list(Outbox.objects.order_by("job_id").values_list("parameters_digest", flat=True))
    assert variants[0] == variants[1]
    assert len({*variants}) == 3
    assert variants[3] == 0


def test_a_retry_and_a_replay_keep_the_batching_hint(session: sa.Connection) -> None:
    job = submit(INPUT, parameters={"p": 1})
    hint = Outbox.objects.get().parameters_digest
    run(session, raising(lambda _: OSError("again")), attempts_left=True)
    assert Outbox.objects.get().parameters_digest == hint
    Outbox.objects.update(due=timezone.now())
    run(session, raising(lambda _: OSError("never")))
    replay_job(job_id=job.id, actor="olga")
    assert Outbox.objects.get().parameters_digest == hint


@pytest.mark.parametrize("column", ["body", "parameters", "metadata"])
def test_a_ciphertext_moved_to_another_job_is_noticed_by_that_job_alone(
    session: sa.Connection, column: str
) -> None:
    victim, donor, other = (submit({"text": f"{n}"}, **REST) for n in range(3))
    stolen = JobInput.objects.values_list(column, flat=True).get(pk=donor.id)
    JobInput.objects.filter(pk=victim.id).update(**{column: stolen})
    run(session)
    if column == "metadata":  # nothing runs by it
        assert view(victim)["error"]["code"] == "payload_unreadable"
        return
    states = dict(Job.objects.values_list("id", "state"))
    assert [states[job.id] for job in (victim, donor, other)] == ["dead", "succeeded", "succeeded"]
    letter = DeadLetter.objects.get()
    assert (letter.job_id, letter.kind, letter.code) == (victim.id, "invalid", "payload_unreadable")


def test_a_swapped_result_is_an_error(session: sa.Connection) -> None:
    first, second = submit({"text": "a"}), submit({"text": "b"})
    run(session)
    body = JobResult.objects.get(pk=second.id).body
    JobResult.objects.filter(pk=first.id).update(body=body)
    answer = view(first)
    assert "output" not in answer
    assert answer["error"]["code"] == "payload_unreadable"
    assert view(second)["output"] == b'{"text":"b"}'


def test_a_result_is_not_accepted_as_an_input(session: sa.Connection) -> None:
    job = submit({"text": "a"})
    run(session)
    JobResult.objects.filter(pk=job.id).update(body=JobInput.objects.get(pk=job.id).body)
    assert view(job)["error"]["code"] == "payload_unreadable"


def test_without_a_key_a_job_is_refused_before_anything_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    with pytest.raises(EncryptionUnavailableError):
        submit(INPUT)
    assert not Job.objects.exists()


def test_a_worker_without_the_key_fails_those_jobs_for_now_and_runs_the_others(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = submit({"text": "old"})
    use(monkeypatch, NEW)
    request = JobRequest(model=payload_keys.MODEL, input={"text": "new"})
    job = submit_job(owner=owner("another"), request=request)
    run(session, attempts_left=True)
    states = {row.id: (row.state, row.error_code) for row in Job.objects.all()}
    assert states == {lost.id: ("waiting", "payload_key_missing"), job.id: ("succeeded", "")}


def test_a_worker_without_any_key_runs_nothing_that_it_could_not_store(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(INPUT)
    use(monkeypatch)
    run(session, attempts_left=True)
    row = Job.objects.get()
    assert (row.state, row.error_code) == ("waiting", "encryption_unavailable")


def test_followers_hits_and_hits_of_hits_get_the_output(session: sa.Connection) -> None:
    secret_version("2", options={"encrypt": True, "cache_ttl_s": 60})
    request: Any = {"request": JobRequest(model=f"{payload_keys.MODEL}:2", input=INPUT)}
    leader, follower = (submit_job(owner=owner(), **request) for _ in range(2))
    run(session)
    with transaction(session):
        settle_followers.land(session, leader.id)
    hits = [submit_job(owner=owner(), **request) for _ in range(2)]
    for job in (leader, follower, *hits):
        assert view(job)["output"] == b'{"n":7,"text":"open-sesame"}'
    assert MARKER not in dump()
    # The whole chain names the run, whichever copy it was made from.
    CacheEntry.objects.update(job_id=hits[0].id)
    again = submit_job(owner=owner(), **request)
    assert again.cached_from == hits[0].id
    assert view(again)["output"] == b'{"n":7,"text":"open-sesame"}'
    assert JobResult.objects.get(pk=again.id).source == leader.id


def test_keys_of_answers_and_requests_reveal_no_input() -> None:
    secret_version("2", options={"encrypt": True, "cache_ttl_s": 60})
    request = JobRequest(model=f"{payload_keys.MODEL}:2", input={"text": "a"}, idempotency_key="k")
    job = submit_job(owner=owner(), request=request)
    plain = b'{"text":"a"}'
    entry, row = CacheEntry.objects.get(), Job.objects.get()
    scope = AnswerScope(row.version_id, 0, row.client_id)
    assert bytes(entry.key) != answer_key(scope, body=plain, parameters=None)
    assert submit_job(owner=owner(), request=request).id == job.id
    other = JobRequest(model=f"{payload_keys.MODEL}:2", input={"text": "b"}, idempotency_key="k")
    with pytest.raises(IdempotencyConflictError):
        submit_job(owner=owner(), request=other)
    assert row.request_digest is not None
    assert sha256(plain).digest() != bytes(row.request_digest)


def test_celery_s_own_client_reads_it_with_the_key_and_has_a_clear_error_without(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch, db: str
) -> None:
    job = submit(INPUT)
    run(session)
    app = Celery("app", backend=f"jobs.result_backend:JobBackend+{db}", broker="memory://")
    assert AsyncResult(str(job.id), app=app).get(timeout=10) == INPUT
    use(monkeypatch)
    with pytest.raises(PayloadKeyMissingError, match="aesgcm:old"):
        AsyncResult(str(job.id), app=app).get(timeout=10)
    result_backend._engine.cache_clear()


def test_a_version_that_does_not_encrypt_is_stored_as_it_was(session: sa.Connection) -> None:
    secret_version("plain", options={})
    job = submit_job(owner=owner(), request=JobRequest(model=f"{payload_keys.MODEL}:plain", input=INPUT))
    run(session)
    row = JobInput.objects.get(pk=job.id)
    assert (bytes(row.body), row.encoding, row.parameters_digest) == (
        b'{"n":7,"text":"open-sesame"}',
        "identity",
        None,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT encoding FROM jobs_jobresult")
        assert cursor.fetchall() == [("identity",)]
