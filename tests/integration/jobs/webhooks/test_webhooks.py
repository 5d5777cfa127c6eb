"""A job's end reaches the address that the app named, signed, again until it is taken, and nowhere else."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Event as Flag
from typing import Any
from uuid import UUID

import kombu
import pytest
import sqlalchemy as sa
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from inference_client.webhook import WebhookRefusedError, verify
from jobs.broker.broker_queues import task_queue
from jobs.broker.connection import connect
from jobs.broker.topology import WEBHOOKS
from jobs.broker.webhook_task import WebhookAttempt, WebhookTasks
from jobs.core.access.scopes import Scope
from jobs.core.errors import (
    BrokerUnavailableError,
    CallbackRefusedError,
    JobNotFoundError,
    WebhookSecretMissingError,
    WrongStateError,
)
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.ids import uuid7
from jobs.core.payloads.stored_output import stored_output
from jobs.core.retry.policy import Bury
from jobs.core.states import State
from jobs.core.submission.request import parse_request
from jobs.core.webhooks.shares import ShareLimits
from jobs.db.session import transaction
from jobs.models import Delivery, DisabledEndpoint, Event, Job
from jobs.services.access.owner import Owner
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.replay import replay_job
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.submission.submit import submit_job
from jobs.services.webhooks.deliver import deliver
from jobs.services.webhooks.dispatcher import REFUSED_DELAY_S, WebhookDispatcher
from jobs.services.webhooks.secrets import make_secret
from jobs.services.webhooks.statements import SHARE
from jobs.services.webhooks.subscriptions import enable, send_again
from models_registry.core.output import Output
from tests.support.deliveries import delivered
from tests.support.factories import make_batch, make_client, make_job, make_version, make_worker
from tests.support.locked import locked
from tests.support.receiver import Receiver, receiving
from tests.support.recorded_tasks import RecordedTasks
from tests.support.samples import Samples
from tests.support.wait import wait_until

Asked = list[tuple[UUID, int]]


@pytest.fixture
def secret(db: str) -> str:
    make_version("echo")
    return make_secret(client="tests", actor="test")


@pytest.fixture
def receiver(secret: str) -> Iterator[Receiver]:
    internal = replace(settings.INFERENCE, webhook_internal_hosts=("127.0.0.1",))
    with override_settings(INFERENCE=internal), receiving() as receiver:
        yield receiver


def owner() -> Owner:
    client = make_client()
    return Owner(client.id, client.name, 0, frozenset(Scope))


def submitted(url: str, model: str = "echo") -> UUID:
    body = json.dumps({"model": model, "input": {"n": 1}, "callback_url": url}).encode()
    return submit_job(owner=owner(), request=parse_request(body)).id


def ended(url: str) -> UUID:
    job = submitted(url)
    cancel_job(job_id=job, actor="test")
    return job


def dispatched(session: sa.Connection, *payloads: str) -> Asked:
    """Return the tasks that a new dispatcher sends."""
    tasks = RecordedTasks()
    WebhookDispatcher(stop=Flag(), tasks=tasks).step(session, payloads)
    return list(tasks.sent)


def submitted_by(scopes: set[str], url: str, **fields: str) -> UUID:
    """Return a job of a token with these scopes, whose metadata and output its reader may see."""
    client = make_client()
    body = {"model": "echo", "input": {"n": 1}, "metadata": {"patient": 7}, "callback_url": url, **fields}
    request = parse_request(json.dumps(body).encode())
    return submit_job(owner=Owner(client.id, client.name, 0, frozenset(scopes)), request=request).id


def due_now(job: UUID) -> None:
    Delivery.objects.filter(pk=job, due__isnull=False).update(due=timezone.now() - timedelta(seconds=1))


def row(job: UUID) -> Delivery:
    return Delivery.objects.get(pk=job)


def test_an_end_is_sent_once_with_a_signature(
    receiver: Receiver, session: sa.Connection, secret: str
) -> None:
    job = submitted(receiver.url)
    assert dispatched(session) == []
    make_batch(make_worker(), make_version("echo"), [Job.objects.get(pk=job)])
    batch = Job.objects.get(pk=job).batch_id
    assert batch is not None
    with transaction(session):
        settle(session, batch=batch, verdicts=[Verdict(job, 1, Success(b'{"n":1}'))])
    assert dispatched(session, f"batch:{batch}") == [(job, 0)]
    delivered(job, attempts=0)
    delivered(job, attempts=0)  # the message came twice
    ((headers, body),) = receiver.requests
    hook = verify(headers, body, [secret])
    assert (hook.type, hook.data.id, hook.data.output) == ("job.succeeded", job, {"n": 1})
    assert (row(job).state, row(job).due, len(row(job).history)) == ("delivered", None, 1)
    assert dispatched(session) == []
    with pytest.raises(WebhookRefusedError):
        verify(headers, body + b" ", [secret])


def test_a_cancelled_job_s_webhook_is_sent_without_a_notification(
    receiver: Receiver, session: sa.Connection, secret: str
) -> None:
    job = ended(receiver.url)
    assert dispatched(session) == [(job, 0)]
    delivered(job, attempts=0)
    assert verify(*receiver.requests[0], [secret]).type == "job.cancelled"


def test_a_webhook_whose_row_is_locked_keeps_no_other_waiting(
    receiver: Receiver, session: sa.Connection, db: str
) -> None:
    first, second = ended(receiver.url), ended(receiver.url)
    with locked(db, "jobs_delivery WHERE job_id = %s", first):
        assert dispatched(session, f"job:{first}", f"job:{second}") == [(second, 0)]
    assert dispatched(session) == [(first, 0)]


def test_a_lost_task_is_sent_again(receiver: Receiver, session: sa.Connection) -> None:
    job = ended(receiver.url)
    assert dispatched(session) == [(job, 0)]
    assert dispatched(session) == []
    due_now(job)
    assert dispatched(session) == [(job, 0)]


def test_a_worker_that_dies_in_mid_attempt_leaves_it_to_another(
    receiver: Receiver, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(receiver.url)
    dispatched(session)
    monkeypatch.setattr("jobs.services.webhooks.deliver._signed_request", _die)
    with pytest.raises(KeyboardInterrupt):
        delivered(job, attempts=0)
    monkeypatch.undo()
    due_now(job)
    assert dispatched(session) == [(job, 1)]
    delivered(job, attempts=1)
    assert row(job).state == "delivered"


def _die(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_an_error_is_retried_after_the_receiver_s_retry_after(
    receiver: Receiver, session: sa.Connection
) -> None:
    receiver.answers = [(500, {}), (429, {"Retry-After": "120"}), (204, {"Content-Length": "0"})]
    counted = Samples()
    job = ended(receiver.url)
    assert counted("inference_job_seconds_count", model="echo", outcome="cancelled") == 1
    for attempts in range(3):
        dispatched(session)
        delivered(job, attempts=attempts)
        waits = row(job).due
        if attempts == 1:
            assert waits is not None
            assert waits > timezone.now() + timedelta(seconds=60)
        due_now(job)
    assert [entry["status"] for entry in row(job).history] == [500, 429, 204]
    assert counted("inference_stage_seconds_count", model="echo", stage="tell") == 1, "the first attempt"
    assert row(job).state == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1


def test_a_410_disables_the_address_until_an_operator_enables_it(
    receiver: Receiver, session: sa.Connection
) -> None:
    receiver.answers = [(410, {})]
    first, second = ended(receiver.url), ended(receiver.url)
    dispatched(session)
    delivered(first, attempts=0)
    delivered(second, attempts=0)
    assert (row(first).state, row(second).state, len(receiver.requests)) == ("disabled", "disabled", 1)
    assert enable(endpoint_id=DisabledEndpoint.objects.get().pk, actor="olga")
    send_again(job_id=second, actor="olga")
    assert dispatched(session) == [(second, 1)]
    delivered(second, attempts=1)
    assert row(second).state == "delivered"
    kinds = Event.objects.filter(actor="olga").values_list("kind", flat=True)
    assert set(kinds) == {"webhook_enable", "webhook_send"}


def test_a_redirect_is_not_followed(receiver: Receiver, session: sa.Connection) -> None:
    receiver.answers = [(302, {"Location": receiver.url})]
    job = ended(receiver.url)
    dispatched(session)
    delivered(job, attempts=0)
    assert len(receiver.requests) == 1
    assert row(job).history[0]["status"] == 302
    assert row(job).state == "waiting"


def test_a_receiver_that_hangs_costs_no_more_than_the_limit(
    receiver: Receiver, session: sa.Connection
) -> None:
    receiver.hangs = True
    job = ended(receiver.url)
    dispatched(session)
    delivered(job, attempts=0, limit_s=0.3)
    assert row(job).history[0]["status"] is None
    assert "Timeout" in row(job).history[0]["said"]
    assert row(job).state == "waiting"


def test_a_host_that_turns_out_to_be_private_is_not_called(
    receiver: Receiver, session: sa.Connection
) -> None:
    # The name passes at the submit, and resolves to this machine.
    job = ended("https://localhost.example.org/")
    Delivery.objects.filter(pk=job).update(url=receiver.url.replace("http://127.0.0.1", "https://localhost"))
    dispatched(session)
    delivered(job, attempts=0)
    assert receiver.requests == []
    assert "no address that may be called" in row(job).history[0]["said"]


def test_both_secrets_sign_while_one_replaces_the_other(
    receiver: Receiver, session: sa.Connection, secret: str
) -> None:
    second = make_secret(client="tests", actor="test")
    job = ended(receiver.url)
    dispatched(session)
    delivered(job, attempts=0)
    for signer in (secret, second):
        verify(*receiver.requests[0], [signer])
    third = make_secret(client="tests", actor="test", grace_hours=0)
    send_again(job_id=job, actor="test")
    delivered(job, attempts=1)
    verify(*receiver.requests[1], [third])
    with pytest.raises(WebhookRefusedError):
        verify(*receiver.requests[1], [secret, second])


def test_the_next_end_of_a_replayed_job_has_another_webhook_id(
    receiver: Receiver, session: sa.Connection
) -> None:
    job = ended(receiver.url)
    dispatched(session)
    delivered(job, attempts=0)
    replay_job(job_id=job, actor="test")
    assert (row(job).state, dispatched(session)) == ("waiting", [])
    cancel_job(job_id=job, actor="test")
    assert dispatched(session, f"job:{job}") == [(job, 1)]
    delivered(job, attempts=1)
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 2


def test_a_webhook_that_was_given_up_can_be_sent_again_by_hand(
    receiver: Receiver, session: sa.Connection
) -> None:
    receiver.answers = [(500, {})] * 10
    job = ended(receiver.url)
    for attempts in range(9):
        due_now(job)
        dispatched(session)
        delivered(job, attempts=attempts)
    assert (row(job).state, row(job).due) == ("given_up", None)
    send_again(job_id=job, actor="test")
    dispatched(session)
    delivered(job, attempts=9)
    assert row(job).state == "waiting"  # the tenth failed too, and is tried again


def test_nothing_is_sent_by_hand_before_the_end(receiver: Receiver) -> None:
    with pytest.raises(WrongStateError):
        send_again(job_id=submitted(receiver.url), actor="test")
    with pytest.raises(JobNotFoundError):
        send_again(job_id=uuid7(1, 1), actor="test")


def test_an_address_that_is_not_called_is_refused_with_the_job(secret: str) -> None:
    for url in (
        "http://example.org/",
        "https://127.0.0.1/",
        "https://user@example.org/",
        "https://a..example.com",
    ):
        with pytest.raises(CallbackRefusedError):
            submitted(url)
    assert not Job.objects.exists()


def test_a_client_without_a_secret_gets_a_clear_error(db: str) -> None:
    make_version("echo")
    with pytest.raises(WebhookSecretMissingError):
        submitted("https://example.org/")


def test_a_job_without_an_address_leaves_no_row(db: str) -> None:
    make_version("echo")
    submit_job(owner=owner(), request=parse_request(b'{"model": "echo", "input": {}}'))
    assert not Delivery.objects.exists()


def test_the_task_reaches_its_queue(db: str, broker_url: str) -> None:
    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        task_queue(WEBHOOKS).bind(channel).declare()
        channel.queue_purge(WEBHOOKS.name)
        with sending(broker_url) as tasks:
            assert tasks.send([WebhookAttempt(UUID(int=7), 3)]) == [(UUID(int=7), 3)]
        message = channel.basic_get(WEBHOOKS.name, no_ack=True)
    assert message is not None
    assert json.loads(message.body)[0] == [str(UUID(int=7)), 3]
    assert message.properties["delivery_mode"] == 2


def test_many_tasks_need_one_connection(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counted(url: str, **options: Any) -> kombu.Connection:
        opened.append(url)
        return connect(url, **options)

    monkeypatch.setattr("jobs.broker.publisher.connect", counted)
    with sending(broker_url) as tasks:
        for number in range(20):
            assert len(tasks.send([WebhookAttempt(UUID(int=number), 0)])) == 1
        assert len(opened) == 1
        tasks.close()  # as after a lost connection
        assert len(tasks.send([WebhookAttempt(UUID(int=7), 0)])) == 1
    assert len(opened) == 2
    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        assert channel.queue_purge(WEBHOOKS.name) >= 21


def test_a_broker_that_is_away_counts_no_request_and_delays_no_webhook(
    receiver: Receiver, session: sa.Connection
) -> None:
    job = ended(receiver.url)
    with sending("amqp://nobody:nothing@127.0.0.1:1//") as tasks:
        dispatcher = WebhookDispatcher(stop=Flag(), tasks=tasks)
        for _ in range(3):
            with pytest.raises(BrokerUnavailableError):
                dispatcher.step(session, ())
    assert BrokerUnavailableError in dispatcher.interruptions()
    assert row(job).requested == 0
    assert dispatched(session) == [(job, 0)]
    assert row(job).requested == 1


def test_what_the_broker_does_not_confirm_is_sent_a_little_later(
    receiver: Receiver, session: sa.Connection
) -> None:
    jobs = sorted(ended(receiver.url) for _ in range(3))
    tasks = RecordedTasks(most=1)
    WebhookDispatcher(stop=Flag(), tasks=tasks).step(session, ())
    assert [row(job).requested for job in jobs if (job, 0) not in tasks.sent] == [0, 0]
    soon = timezone.now() + timedelta(seconds=REFUSED_DELAY_S + 1)
    assert Delivery.objects.filter(due__lt=soon).count() == 2


@contextmanager
def sending(broker_url: str) -> Iterator[WebhookTasks]:
    with override_settings(INFERENCE=replace(settings.INFERENCE, broker_url=broker_url)):
        tasks = WebhookTasks()
        yield tasks
        tasks.close()


def replayed_and_ended(job: UUID, session: sa.Connection) -> None:
    replay_job(job_id=job, actor="test")
    cancel_job(job_id=job, actor="test")
    assert dispatched(session, f"job:{job}") == [(job, 1)]
    connection.close()  # of the receiver's thread


@pytest.mark.parametrize("status", [200, 500, 410])
def test_an_attempt_for_an_old_end_says_nothing_about_a_new_one(
    receiver: Receiver, session: sa.Connection, secret: str, status: int
) -> None:
    job = ended(receiver.url)
    dispatched(session)
    receiver.answers = [(status, {})]
    receiver.before_answer = partial(replayed_and_ended, job, session)
    delivered(job, attempts=0)
    receiver.before_answer = lambda: None
    assert (row(job).state, row(job).attempts, row(job).history) == ("waiting", 1, [])
    delivered(job, attempts=1)
    assert row(job).state == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 2


def test_an_end_is_not_sent_under_the_id_of_an_older_one(receiver: Receiver, session: sa.Connection) -> None:
    job = ended(receiver.url)
    dispatched(session)
    armed = row(job)
    replay_job(job_id=job, actor="test")
    cancel_job(job_id=job, actor="test")
    # The dispatcher armed it as the replay was under way, with what it had read of the job before.
    Delivery.objects.filter(pk=job).update(due=timezone.now(), epoch=armed.epoch)
    delivered(job, attempts=0)
    assert receiver.requests == []
    assert row(job).due is None
    assert dispatched(session) == [(job, 1)]
    delivered(job, attempts=1)
    assert row(job).state == "delivered"


@pytest.mark.parametrize(
    "error", [UnicodeError("label empty"), RuntimeError("\0 no \ud800 text"), KeyError(1)]
)
def test_an_error_of_any_kind_ends_an_attempt_and_is_in_the_history(
    receiver: Receiver,
    session: sa.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    caplog.set_level(logging.CRITICAL, "jobs.services.webhooks.sender")  # no report can hold half a character

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("jobs.services.webhooks.http_post.socket.getaddrinfo", fail)
    job = ended(receiver.url)
    for attempts in range(9):
        due_now(job)
        dispatched(session)
        delivered(job, attempts=attempts)
    assert (row(job).state, row(job).due, len(row(job).history)) == ("given_up", None, 9)
    assert type(error).__name__ in row(job).history[0]["said"]


def test_a_webhook_that_ends_its_worker_each_time_is_given_up(
    receiver: Receiver, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(receiver.url)
    monkeypatch.setattr("jobs.services.webhooks.deliver._signed_request", _die)
    for attempts in range(9):
        due_now(job)
        dispatched(session)
        with pytest.raises(KeyboardInterrupt):
            delivered(job, attempts=attempts)
    delivered(job, attempts=9)
    assert row(job).state == "given_up"
    assert "did not come to an end" in row(job).history[0]["said"]


@pytest.mark.parametrize("scopes", [{"submit"}, {"submit", "read"}])
def test_a_webhook_holds_what_the_submitter_s_token_may_read(
    scopes: set[str], receiver: Receiver, session: sa.Connection, secret: str
) -> None:
    job = submitted_by(scopes, receiver.url)
    make_batch(make_worker(), make_version("echo"), [Job.objects.get(pk=job)])
    batch = Job.objects.get(pk=job).batch_id
    assert batch is not None
    with transaction(session):
        settle(session, batch=batch, verdicts=[Verdict(job, 1, Success(b'{"n":"private"}'))])
    dispatched(session, f"batch:{batch}")
    delivered(job, attempts=0)
    headers, body = receiver.requests[0]
    assert verify(headers, body, [secret]).data.id == job
    assert (b"private" in body, b"patient" in body) == ("read" in scopes,) * 2


@pytest.mark.parametrize("encoding", ["json", "raw"])
def test_a_webhook_holds_bytes_in_the_form_that_the_job_asked_for(
    encoding: str, receiver: Receiver, session: sa.Connection, secret: str
) -> None:
    job = submitted_by({Scope.SUBMIT, Scope.READ}, receiver.url, encoding=encoding)
    make_batch(make_worker(), make_version("echo"), [Job.objects.get(pk=job)])
    batch = Job.objects.get(pk=job).batch_id
    assert batch is not None
    stored = stored_output(Output(b"\x01\x02", meta={"dtype": "uint8", "shape": [2]}))
    with transaction(session):
        settle(session, batch=batch, verdicts=[Verdict(job, 1, Success(stored))])
    dispatched(session, f"batch:{batch}")
    delivered(job, attempts=0)
    data = verify(*receiver.requests[0], [secret]).data
    if encoding == "json":
        assert data.output == [1, 2]
    else:
        assert data.output_bytes().body == b"\x01\x02"


def test_a_webhook_of_a_failure_quotes_its_message_to_readers_only(
    receiver: Receiver, session: sa.Connection
) -> None:
    job = submitted_by({"submit"}, receiver.url)
    make_batch(make_worker(), make_version("echo"), [Job.objects.get(pk=job)])
    batch = Job.objects.get(pk=job).batch_id
    assert batch is not None
    failure = Failure(FailureKind.INVALID, "bad", "the patient's name")
    with transaction(session):
        settle(session, batch=batch, verdicts=[Verdict(job, 1, failure, Bury("bad"))])
    dispatched(session, f"batch:{batch}")
    delivered(job, attempts=0)
    data = json.loads(receiver.requests[0][1])["data"]
    assert (data["state"], data["error"]["code"]) == ("dead", "bad")
    assert b"patient" not in receiver.requests[0][1]


def test_a_receiver_that_never_answers_holds_up_nobody_else(
    receiver: Receiver, session: sa.Connection
) -> None:
    receiver.hangs = True
    jobs = [ended(receiver.url) for _ in range(12)]
    dispatched(session)
    ends = [deliver(job, attempts=0, limit_s=20.0) for job in jobs]
    wait_until(lambda: len(receiver.requests) == ShareLimits().receiver)
    waiting = [job for job, end in zip(jobs, ends, strict=True) if end.done()]
    assert len(waiting) == 4
    later = Delivery.objects.filter(pk__in=waiting, attempts=0, requested=0, due__gt=timezone.now())
    assert later.count() == 4
    with receiving() as other:
        job = ended(other.url)
        dispatched(session)
        delivered(job, attempts=0)
        assert row(job).state == "delivered"
    receiver.over.set()
    wait(ends)


def test_a_client_with_many_webhooks_takes_turns_with_the_others(
    receiver: Receiver, session: sa.Connection
) -> None:
    many = {ended(receiver.url) for _ in range(SHARE + 6)}
    other = make_job(state=State.SUCCEEDED, client=make_client("other"))
    Delivery.objects.create(job=other, client=other.client, url=receiver.url, epoch=0, due=timezone.now())
    sent = [job for job, _ in dispatched(session)]
    assert other.id in sent[: SHARE + 1]
    assert len(sent) == SHARE + 1
    assert dispatched(session) == []  # none of them has begun
    for job in list(many & set(sent))[:6]:
        delivered(job, attempts=0)
    assert len(dispatched(session)) == 6


def test_a_message_brings_no_attempt_forward(receiver: Receiver, session: sa.Connection) -> None:
    receiver.answers = [(503, {"Retry-After": "3600"})]
    job = ended(receiver.url)
    dispatched(session)
    delivered(job, attempts=0)
    deliver(job, attempts=1).result(20)
    assert (len(receiver.requests), row(job).attempts) == (1, 1)


def test_an_outcome_that_cannot_be_stored_is_logged_and_the_webhook_is_due_again(
    receiver: Receiver,
    session: sa.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no disk")

    job = ended(receiver.url)
    dispatched(session)
    monkeypatch.setattr("jobs.services.webhooks.deliver._write", fails)
    delivered(job, attempts=0)
    assert "was not stored" in caplog.text
    assert (row(job).state, row(job).due is None) == ("waiting", False)
