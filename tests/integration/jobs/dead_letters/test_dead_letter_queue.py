"""The messages in a dead-letter queue, and those that a purge drops."""

import os
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from amqp.basic_message import Message
from django.utils import timezone

from jobs.broker import broker_queues, dead_letter_queue, topology
from jobs.broker.connection import connected
from jobs.broker.dead_letter_message import outgoing_dead_letter
from jobs.broker.job_message import outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.core.errors import BrokerUnavailableError
from jobs.core.messages.dead_letter_pointer import DeadLetterMessage, read_dead_letter
from jobs.core.messages.envelope import Envelope
from jobs.core.states import State
from jobs.models import DeadLetter, Event, Job
from jobs.services.dead_letters.discard import discard_dead_letter
from jobs.services.dead_letters.purge import Purged, purge_stale
from jobs.services.erasure.erase_job import erase_job
from jobs.services.lifecycle.replay import replay_job
from tests.support.dead_letter_queue import dead_letters, dead_messages, declared, put
from tests.support.factories import make_jobs
from tests.support.relays import new_model, running
from tests.support.wait import wait_until


def posted(broker_url: str, model: str, count: int) -> list[Job]:
    """Return dead jobs whose messages lie in the queue, in no order."""
    jobs = make_jobs(count, state=State.DEAD, model=model)
    with running(broker_url, [model]):
        wait_until(lambda: not DeadLetter.objects.filter(due__isnull=False).exists())
    return jobs


def malformed(word: str = "[]") -> Message:
    return Message(word, content_type="application/json", message_id=str(uuid4()))


def letter_of(job: Job, epoch: int = 0) -> Message:
    return outgoing_dead_letter(job.model, DeadLetterMessage(job.id, epoch, "poison", "test", "f")).message


def test_a_purge_drops_the_messages_of_replayed_and_discarded_jobs_and_keeps_the_others_in_order(
    db: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_queue, "CHUNK_MESSAGES", 3)
    model = new_model()
    jobs = posted(broker_url, model, 10)
    replay_job(job_id=jobs[0].id, actor="test")
    discard_dead_letter(job_id=jobs[1].id, actor="test")
    put(broker_url, "", topology.dead_queue_name(model), malformed(), malformed("{}"))
    before = [letter.job for letter in dead_letters(broker_url, model)]
    purged = purge_stale(model=model, actor="olga")
    assert purged == Purged(current=8, stale=2, malformed=2, dropped=2)
    gone = {jobs[0].id, jobs[1].id}
    assert [letter.job for letter in dead_letters(broker_url, model)] == [j for j in before if j not in gone]
    assert len(dead_messages(broker_url, model)) == 10
    event = Event.objects.get(kind="purge")
    assert (event.actor, event.detail) == (
        "olga", {"model": model, "dropped": 2, "malformed_after_days": None},
    )  # fmt: skip


def test_a_second_purge_finds_nothing_more(db: str, broker_url: str) -> None:
    model = new_model()
    posted(broker_url, model, 3)
    assert purge_stale(model=model, actor="olga") == Purged(current=3)
    assert purge_stale(model=model, actor="olga") == Purged(current=3)
    assert not Event.objects.filter(kind="purge").exists()


def test_malformed_messages_are_dropped_only_on_request(db: str, broker_url: str) -> None:
    model = new_model()
    posted(broker_url, model, 2)
    put(broker_url, "", topology.dead_queue_name(model), malformed())
    assert purge_stale(model=model, actor="olga", malformed_after_days=0).dropped == 1
    assert len(dead_messages(broker_url, model)) == 2


def test_a_dry_run_drops_nothing(db: str, broker_url: str) -> None:
    model = new_model()
    jobs = posted(broker_url, model, 3)
    replay_job(job_id=jobs[0].id, actor="test")
    assert purge_stale(model=model, actor="olga", dry_run=True) == Purged(current=2, stale=1)
    assert len(dead_messages(broker_url, model)) == 3


def test_of_two_copies_one_is_kept(db: str, broker_url: str) -> None:
    model = new_model()
    (job,) = posted(broker_url, model, 1)
    put(broker_url, "", topology.dead_queue_name(model), letter_of(job), letter_of(job, epoch=7))
    assert purge_stale(model=model, actor="olga") == Purged(current=1, stale=2, dropped=2)
    assert [(letter.job, letter.epoch) for letter in dead_letters(broker_url, model)] == [(job.id, 0)]


def test_a_job_that_died_again_keeps_its_new_message_and_loses_its_old_one(db: str, broker_url: str) -> None:
    model = new_model()
    posted(broker_url, model, 1)
    DeadLetter.objects.update(epoch=4, due=timezone.now())
    with running(broker_url, [model]):
        wait_until(lambda: not DeadLetter.objects.filter(due__isnull=False).exists())
    assert purge_stale(model=model, actor="olga") == Purged(current=1, stale=1, dropped=1)
    assert [letter.epoch for letter in dead_letters(broker_url, model)] == [4]


def test_a_purge_that_breaks_off_leaves_every_message_in_the_queue(
    db: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_model()
    posted(broker_url, model, 5)
    monkeypatch.setattr(dead_letter_queue, "CHUNK_MESSAGES", 2)

    def broken(_pointers: Any) -> set[Any]:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("jobs.services.dead_letters.reads.current", broken)
        with pytest.raises(ZeroDivisionError):
            purge_stale(model=model, actor="olga")
    wait_until(lambda: len(dead_messages(broker_url, model)) == 5)


def test_a_model_without_a_queue_has_nothing_to_purge(db: str) -> None:
    assert purge_stale(model="never-declared", actor="olga") == Purged()


def test_a_purge_without_a_broker_raises_a_clear_error(db: str, settings_broker: None) -> None:
    with pytest.raises(BrokerUnavailableError):
        purge_stale(model="echo", actor="olga")


@pytest.fixture
def settings_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from django.conf import settings

    away = replace(settings.INFERENCE, broker_url="amqp://nobody:nothing@127.0.0.1:1//")
    monkeypatch.setattr(settings, "INFERENCE", away)


def set_policy(model: str, **definition: Any) -> None:
    """Put a policy on the model's work queue through the management API."""
    body = {"pattern": f"^{topology.queue_name(model)}$", "definition": definition, "apply-to": "queues"}
    url = f"{os.environ['RABBITMQ_MANAGEMENT_URL']}/api/policies/%2F/{model}"
    httpx.put(url, json=body, timeout=20, trust_env=False).raise_for_status()


def flood(broker_url: str, model: str, count: int) -> list[Outcome]:
    publisher = ConfirmingPublisher(broker_url)
    try:
        messages = [outgoing(model, [Envelope(uuid4(), 0, 1, 4)]) for _ in range(count)]
        return [publisher.publish([message])[0] for message in messages]
    finally:
        publisher.close()


def has(broker_url: str, model: str) -> tuple[int, int]:
    with connected(broker_url) as connection:
        live, dead = broker_queues.counts(connection, model), broker_queues.dead_counts(connection, model)
    assert live is not None
    assert dead is not None
    return live.ready, dead.ready


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish-dlx"])
def test_messages_that_overflow_a_queue_end_in_its_dead_letter_queue(broker_url: str, overflow: str) -> None:
    model = declared(broker_url, new_model())
    set_policy(model, **{"max-length": 3, "overflow": overflow})
    wait_until(lambda: Outcome.NACKED in flood(broker_url, model, 4) or has(broker_url, model)[1] > 0)
    live, dead = has(broker_url, model)
    outcomes = flood(broker_url, model, 5)
    wait_until(lambda: has(broker_url, model) == (live, dead + 5))
    refused = overflow == "reject-publish-dlx"
    assert outcomes == [Outcome.NACKED if refused else Outcome.CONFIRMED] * 5
    assert all(read_dead_letter(message.body) is None for message in dead_messages(broker_url, model))


def test_an_overflow_that_refuses_publishes_leaves_no_message(broker_url: str) -> None:
    model = declared(broker_url, new_model())
    set_policy(model, **{"max-length": 3, "overflow": "reject-publish"})
    wait_until(lambda: Outcome.NACKED in flood(broker_url, model, 4))
    assert has(broker_url, model)[1] == 0


def test_the_message_of_an_erased_job_holds_no_content_and_goes_with_the_next_purge(
    db: str, broker_url: str
) -> None:
    model = new_model()
    jobs = posted(broker_url, model, 2)
    erase_job(job_id=jobs[0].id, actor="test")
    assert purge_stale(model=model, actor="beat", malformed_after_days=90).dropped == 1
    assert [letter.job for letter in dead_letters(broker_url, model)] == [jobs[1].id]


def test_malformed_messages_have_an_end_too(db: str, broker_url: str) -> None:
    """What a worker refused is as old as the broker says; nobody knows how old another one is."""
    model = new_model()
    posted(broker_url, model, 1)
    dated = Message("{}", content_type="application/json", timestamp=int(time.time()))
    put(broker_url, "", topology.dead_queue_name(model), malformed(), dated)
    assert purge_stale(model=model, actor="beat", malformed_after_days=1).dropped == 1
    assert purge_stale(model=model, actor="beat", malformed_after_days=0).dropped == 1
