"""Bad, old, doubled and moved messages: the worker lives, and each message ends where it belongs."""

import json
from typing import Any
from uuid import UUID, uuid4

import kombu
import pytest
from amqp.basic_message import Message

from inference_site.stack.harness import Stack
from jobs.broker.dead_letter_message import outgoing_dead_letter
from jobs.broker.job_message import job_message
from jobs.broker.topology import INFER, dead_queue_name
from jobs.core.ids import uuid7
from jobs.core.messages.dead_letter_pointer import DeadLetterMessage
from jobs.core.messages.envelope import Envelope
from tests.support.app import App, manage
from tests.support.malformed_messages import MALFORMED, malformed
from tests.support.wait import wait_until

MODEL = "echo"
POINTERS = "SELECT id, version_id, priority, client_id FROM jobs_job WHERE id = ANY(%s::uuid[])"
VERSION_1 = """
SELECT v.id FROM models_registry_modelversion v JOIN models_registry_registeredmodel m ON m.id = v.model_id
WHERE m.name = %s AND v.version = '1'
"""


def publish(broker: kombu.Connection, *messages: Message) -> None:
    channel = broker.channel()
    channel.confirm_select()
    for message in messages:
        channel.basic_publish_confirm(message, exchange=INFER.name, routing_key=MODEL)
    channel.close()


def dead_ids(broker: kombu.Connection, model: str = MODEL) -> set[str]:
    """Return the ids of the messages in the dead-letter queue; they stay there."""
    ids = set()
    with broker.channel() as channel:
        while message := channel.basic_get(dead_queue_name(model)):
            ids.add(str(message.properties.get("message_id")))
    return ids


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_is_dead_lettered_and_the_worker_lives(
    name: str, stack: Stack, app: App, broker: kombu.Connection
) -> None:
    pid, message = stack.pid("gpu-worker-0"), MALFORMED[name]
    publish(broker, message)
    wait_until(lambda: message.properties["message_id"] in dead_ids(broker), limit_s=15, what=name)
    assert app.finished(app.submit(MODEL, {"after": name})["id"])["state"] == "succeeded"
    assert stack.pid("gpu-worker-0") == pid


def test_a_message_of_a_later_release_is_not_dead_lettered(app: App, broker: kombu.Connection) -> None:
    job = str(app.submit(MODEL, {"n": 1})["id"])
    app.finished(job)
    before, tomorrow = fate(app, job), malformed(json.dumps([[], {"v": 3, "jobs": [[job, 0]]}, {}]), id=job)
    publish(broker, tomorrow)
    wait_until(lambda: _waiting(broker) == 0, what="the message's end")
    app.finished(app.submit(MODEL, {"behind": "it"})["id"])
    assert tomorrow.properties["message_id"] not in dead_ids(broker)
    assert fate(app, job) == before


def test_an_unknown_job_id_is_dead_lettered(app: App, broker: kombu.Connection) -> None:
    (version,) = app.rows(VERSION_1, MODEL)
    unknown = uuid7(1_700_000_000_000, 5)
    publish(broker, job_message(Envelope(job=unknown, epoch=0, version=version[0], priority=9)))
    wait_until(lambda: any(str(unknown) in message for message in dead_ids(broker)), limit_s=15)


@pytest.mark.parametrize("queue", [MODEL, "minilm"])
def test_a_forged_message_runs_a_job_under_no_other_version(
    queue: str, app: App, broker: kombu.Connection
) -> None:
    job = UUID(str(app.submit("sleeper:slow", {"n": 1}, priority=0)["id"]))
    ((client, version),) = app.rows("SELECT client_id, version_id FROM jobs_job WHERE id = %s", job)
    ((other,),) = app.rows(VERSION_1, MODEL)
    channel = broker.channel()
    forged = job_message(Envelope(job=job, epoch=0, version=other, priority=9, client=client))
    for message in (forged, job_message(Envelope(job=job, epoch=0, version=version, priority=9))):
        channel.basic_publish(message, exchange=INFER.name, routing_key=queue)
    channel.close()
    app.finished(str(job))
    (ran,) = app.rows(
        "SELECT batch.version_id, job.attempts FROM jobs_job job JOIN jobs_batch batch ON batch.id = batch_id"
        " WHERE job.id = %s",
        job,
    )
    assert ran == (version, 1)


def test_a_duplicate_delivery_stores_one_result(app: App, broker: kombu.Connection) -> None:
    ids = app.bulk("echo", [{"n": n} for n in range(200)])
    rows = app.rows(POINTERS, ids)
    copies = [job_message(Envelope(job=i, epoch=0, version=v, priority=p, client=c)) for i, v, p, c in rows]
    publish(broker, *copies, *copies)
    assert app.all_finished(ids) == {"succeeded": 200}
    publish(broker, *copies)
    wait_until(lambda: _waiting(broker) == 0, what="the copies' end")
    app.finished(app.submit("echo", {"behind": "them"})["id"])
    app.assert_each_ran_to_one_result(ids)
    assert app.attempts(ids) == {1: 200}
    assert app.rows("SELECT DISTINCT epoch FROM jobs_job WHERE id = ANY(%s::uuid[])", ids) == [(1,)]


def _waiting(broker: kombu.Connection) -> int:
    with broker.channel() as channel:
        return int(channel.queue_declare(queue="infer.echo", passive=True).message_count)


def fate(app: App, job: str) -> list[tuple[Any, ...]]:
    """Return all of an ended job that must not change: its row, its dead letter, and other rows' counts."""
    return app.rows(
        """
        SELECT j.state, j.epoch, j.attempts, j.error_kind, j.finished_at, d.epoch, d.discarded_at,
          (SELECT count(*) FROM jobs_jobresult WHERE job_id = j.id),
          (SELECT count(*) FROM jobs_outbox WHERE job_id = j.id),
          (SELECT count(*) FROM jobs_event WHERE job_id = j.id)
        FROM jobs_job j LEFT JOIN jobs_deadletter d ON d.job_id = j.id WHERE j.id = %s
        """,
        job,
    )


def ended(app: App, value: dict[str, Any]) -> tuple[str, int, int]:
    """Return a job that ended, its version and its epoch."""
    job = str(app.submit("echo:faulty", value)["id"])
    app.finished(job)
    ((version, epoch),) = app.rows("SELECT version_id, epoch FROM jobs_job WHERE id = %s", job)
    return job, version, epoch


def moved_back(job: str, epoch: int) -> Message:
    """Return a dead job's message as an operator moves it by hand: the same, but for its id."""
    message = outgoing_dead_letter(
        MODEL, DeadLetterMessage(UUID(job), epoch, "invalid", "InvalidInputError", "f")
    ).message
    message.properties["message_id"] = str(uuid4())
    return message


def test_dead_letters_moved_back_to_the_queue_return_and_change_no_job(
    app: App, broker: kombu.Connection
) -> None:
    job, _, epoch = ended(app, {"fail": "invalid"})
    wait_until(lambda: f"{job}:{epoch}" in dead_ids(broker), what="the dead letter")
    before = fate(app, job)
    moved = [moved_back(job, old) for old in range(epoch + 1)]
    publish(broker, *moved)
    ids = {str(message.properties["message_id"]) for message in moved}
    wait_until(lambda: ids <= dead_ids(broker), what="the dead letters' return")
    assert app.finished(app.submit(MODEL, {"behind": "them"})["id"])["state"] == "succeeded"
    assert fate(app, job) == before


def test_the_dead_letter_of_a_job_replayed_since_changes_nothing(app: App, broker: kombu.Connection) -> None:
    job, _, epoch = ended(app, {"fail": "invalid"})
    app.act(job, "replay")
    app.finished(job)
    before, moved = fate(app, job), moved_back(job, epoch)
    assert before[0][1] > epoch
    publish(broker, moved)
    wait_until(lambda: moved.properties["message_id"] in dead_ids(broker), what="the dead letter's return")
    assert fate(app, job) == before


@pytest.mark.parametrize("value", [{"fail": "invalid"}, {"n": 1}], ids=["dead", "succeeded"])
def test_envelopes_of_earlier_epochs_are_acknowledged_and_change_no_job(
    value: dict[str, Any], app: App, broker: kombu.Connection
) -> None:
    job, version, epoch = ended(app, value)
    before, buried = fate(app, job), dead_ids(broker)
    old = [Envelope(job=UUID(job), epoch=past, version=version, priority=9) for past in range(epoch + 1)]
    publish(broker, *(job_message(envelope) for envelope in old))
    wait_until(lambda: _waiting(broker) == 0, what="the envelopes' end")
    app.finished(app.submit("echo", {"behind": "them"})["id"])
    assert fate(app, job) == before
    # The letter of another test's job may arrive meanwhile.
    assert {letter for letter in dead_ids(broker) - buried if job in letter} <= {f"{job}:{epoch}"}


def test_an_envelope_of_an_earlier_epoch_claims_no_job_that_is_queued_again(
    stack: Stack, app: App, broker: kombu.Connection
) -> None:
    ((since,),) = app.rows("SELECT now()")
    (first, *_), (job, version, epoch) = (ended(app, {"fail": "invalid"}) for _ in range(2))
    # The first is due at once, the other in a thousand seconds.
    words = ("--model", MODEL, "--since", since.isoformat(), "--rate", "0.001", "--at-once")
    assert "2 jobs are queued again." in manage(stack, "dead_letters", "replay", *words)
    app.finished(first)
    before = fate(app, job)
    assert before[0][0] == "queued"
    old = [Envelope(job=UUID(job), epoch=past, version=version, priority=9) for past in range(epoch + 1)]
    publish(broker, *(job_message(envelope) for envelope in old))
    wait_until(lambda: _waiting(broker) == 0, what="the envelopes' end")
    app.finished(app.submit("echo", {"behind": "them"})["id"])
    assert fate(app, job) == before
    app.act(job, "cancel")
