from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.broker import broker_queues, topology
from jobs.broker.connection import connected
from jobs.broker.job_message import Outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.core.errors import BrokerUnavailableError
from jobs.core.failures import Failure, FailureKind
from jobs.core.relay.publish_policy import VISIBILITY_S
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.states import State
from jobs.db.session import open_session, transaction
from jobs.models import Batch, DeadLetter, DeadLetterQueueSize, Job
from jobs.services.dead_letters import statements as letters
from jobs.services.dead_letters.letter_counter import COUNT_EVERY_S, PARTS, LetterCounter
from jobs.services.dead_letters.publish import MOST, DeadLetterPublisher
from jobs.services.lifecycle import bury
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle.replay import replay_job
from jobs.services.lifecycle.settle import Verdict, settle
from tests.support.dead_letter_queue import dead_letters, dead_messages, declared
from tests.support.factories import make_batch, make_job, make_jobs, make_version, make_worker
from tests.support.relays import new_model, running
from tests.support.wait import wait_until

FAILURE = Failure(FailureKind.POISON, "odd", "no", 'x\n  File "/a/m.py", line 3, in run\nm.OddError: no')


@pytest.fixture
def publisher(broker_url: str) -> Iterator[ConfirmingPublisher]:
    publisher = ConfirmingPublisher(broker_url, confirm_timeout_s=1.0)
    yield publisher
    publisher.close()


def dies(session: sa.Connection, model: str, failure: Failure = FAILURE) -> Job:
    """Run a job and settle it as dead."""
    job = make_job(model=model)
    batch = make_batch(make_worker(), make_version(model), [job])
    settle(session, batch=batch.id, verdicts=[Verdict(job.id, 1, failure, Bury("bad"))])
    return job


def settled_as(session: sa.Connection, job: Job, epoch: int, after: RetryAfter | Bury) -> Batch:
    batch = make_batch(make_worker(node=f"gpu-{epoch}@tests"), make_version(job.model), [job])
    Job.objects.filter(id=job.id).update(epoch=epoch)
    failure = Failure(FailureKind.TRANSIENT, f"busy-{epoch}", "try later")
    settle(session, batch=batch.id, verdicts=[Verdict(job.id, epoch, failure, after)])
    return batch


def unpublished() -> int:
    return DeadLetter.objects.filter(due__isnull=False).count()


def test_the_relay_counts_the_queue_now_and_then(
    session: sa.Connection, publisher: ConfirmingPublisher, broker_url: str
) -> None:
    model = declared(broker_url, new_model())
    counter, row = LetterCounter(publisher), DeadLetterQueueSize.objects.filter(model=model)
    counter.count(session, [model], 10.0)
    assert row.get().messages == 0
    dies(session, model)
    assert DeadLetterPublisher(model, publisher).post(session) == 1
    counter.count(session, [model], 11.0)
    assert row.get().messages == 0  # because counting costs a round trip
    counter.count(session, [model], 10.0 + COUNT_EVERY_S)
    assert row.get().messages == 1
    with connected(broker_url) as connection, connection.channel() as channel:
        channel.queue_delete(topology.dead_queue_name(model))
    counter.count(session, [model], 10.0 + 2 * COUNT_EVERY_S)
    assert row.get().messages is None


def test_each_look_counts_a_part_of_the_queues_and_a_missing_one_hides_no_other(
    session: sa.Connection, publisher: ConfirmingPublisher, broker_url: str
) -> None:
    models = [new_model() for _ in range(PARTS + 2)]
    there = models[1:]
    for model in there:
        declared(broker_url, model)
    counter, counted = LetterCounter(publisher), DeadLetterQueueSize.objects.filter(model__in=models)
    counter.count(session, models, 10.0)
    assert counted.count() == 2
    for _ in range(PARTS):
        counter.count(session, models, 10.1)
    assert {size.model for size in counted.filter(messages=0)} == set(there)
    assert counted.get(model=models[0]).messages is None


def test_a_dead_letter_is_published_once_with_its_reason(session: sa.Connection, broker_url: str) -> None:
    model = new_model()
    job = dies(session, model)
    row = DeadLetter.objects.get(job=job)
    assert (row.epoch, row.fingerprint) == (1, "poison:m.OddError:m.py:run")
    assert row.due is not None
    with running(broker_url, [model]):
        wait_until(lambda: unpublished() == 0)
    (message,) = dead_messages(broker_url, model)
    assert [(letter.job, letter.epoch) for letter in dead_letters(broker_url, model)] == [(job.id, 1)]
    assert message.headers == {"kind": "poison", "code": "odd", "fingerprint": row.fingerprint}
    assert "no" not in message.body
    assert message.properties["delivery_mode"] == 2
    row.refresh_from_db()
    assert row.published_at is not None
    assert row.published == 1


def test_a_dead_letter_is_due_however_the_job_died(db: str) -> None:
    make_job(state=State.DEAD)
    assert DeadLetter.objects.filter(due__lte=timezone.now()).count() == 1


def test_a_dead_letter_lists_the_earlier_attempts_with_batch_and_worker(session: sa.Connection) -> None:
    job = make_job(model="echo", max_attempts=3)
    batches = [settled_as(session, job, epoch, RetryAfter(0.0)) for epoch in (1, 3)]
    batches.append(settled_as(session, job, 5, Bury("the last")))
    history = DeadLetter.objects.get(job=job).history
    assert [(a["epoch"], a["kind"], a["code"], a["worker"]) for a in history] == [
        (epoch, "transient", f"busy-{epoch}", f"gpu-{epoch}@tests") for epoch in (1, 3, 5)
    ]
    assert [attempt["batch"] for attempt in history] == [str(batch.id) for batch in batches]
    assert all(attempt["at"] for attempt in history)


def test_a_job_that_killed_its_workers_has_a_dead_letter_with_each_attempt(session: sa.Connection) -> None:
    job = make_job(model="echo", max_attempts=2)
    for attempts in (1, 2):
        worker = make_worker(node=f"gpu-{attempts}@tests", ended_at=timezone.now())
        batch = make_batch(worker, make_version(), [job], isolation_group=7)
        Job.objects.filter(id=job.id).update(epoch=10 * attempts, attempts=attempts)
        sweep.reap(session, batch.id)
    row = DeadLetter.objects.get(job=job)
    assert row.due is not None
    assert [(a["epoch"], a["kind"], a["worker"]) for a in row.history] == [
        (10, "crash", "gpu-1@tests"),
        (20, "crash", "gpu-2@tests"),
    ]


def test_history_message_and_traceback_are_bounded(session: sa.Connection) -> None:
    job = make_job(model="echo")
    for epoch in range(1, 2 * bury.MOST_ATTEMPTS):
        settled_as(session, job, epoch, RetryAfter(0.0))
    batch = make_batch(make_worker(), make_version(), [job])
    huge = Failure(FailureKind.POISON, "odd", "m" * 10_000, "t" * 100_000 + "end")
    Job.objects.filter(id=job.id).update(epoch=99)
    settle(session, batch=batch.id, verdicts=[Verdict(job.id, 99, huge, Bury("bad"))])
    row = DeadLetter.objects.get(job=job)
    assert len(row.history) == bury.MOST_ATTEMPTS
    assert row.history[-1]["epoch"] == 99
    assert (len(row.message), len(row.traceback)) == (bury.MESSAGE_CHARS, bury.TRACEBACK_CHARS)
    assert row.traceback.endswith("end")


class Silent(ConfirmingPublisher):
    """Publishes; its confirms get lost."""

    def publish(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        return [Outcome.UNKNOWN for _ in super().publish(messages)]


def test_an_unconfirmed_dead_letter_is_published_again_after_its_timeout(
    session: sa.Connection, broker_url: str, publisher: ConfirmingPublisher
) -> None:
    model = declared(broker_url, new_model())
    make_job(state=State.DEAD, model=model)
    silent = Silent(broker_url)
    assert DeadLetterPublisher(model, silent).post(session) == 1
    silent.close()
    row = DeadLetter.objects.get()
    assert row.due is not None
    assert timedelta(0) < row.due - timezone.now() <= timedelta(seconds=VISIBILITY_S)
    assert DeadLetterPublisher(model, publisher).post(session) == 0
    DeadLetter.objects.update(due=timezone.now())
    assert DeadLetterPublisher(model, publisher).post(session) == 1
    assert DeadLetter.objects.filter(due=None, published=2).exists()
    assert len(dead_letters(broker_url, model)) == 2


def test_the_row_of_a_dead_letter_can_change_while_it_is_published(
    session: sa.Connection, broker_url: str
) -> None:
    model = declared(broker_url, new_model())
    job = make_job(state=State.DEAD, model=model)

    class Meddling(ConfirmingPublisher):
        def publish(self, messages: Sequence[Outgoing]) -> list[Outcome]:
            replay_job(job_id=job.id, actor="test")
            return super().publish(messages)

    meddling = Meddling(broker_url)
    assert DeadLetterPublisher(model, meddling).post(session) == 1
    meddling.close()
    assert not DeadLetter.objects.exists()
    assert Job.objects.get(id=job.id).state == State.QUEUED


def test_a_locked_dead_letter_delays_no_other(session: sa.Connection) -> None:
    held, free = make_jobs(2, state=State.DEAD)
    with open_session() as other, transaction(other):
        other.execute(sa.text("SELECT 1 FROM jobs_deadletter WHERE job_id = :id FOR UPDATE"), {"id": held.id})
        assert [letter.job for letter in letters.take_due(session, "echo", most=10)] == [free.id]


def test_an_older_epoch_s_confirm_marks_nothing(session: sa.Connection) -> None:
    job = make_job(state=State.DEAD)
    (due,) = letters.take_due(session, "echo", most=10)
    DeadLetter.objects.filter(job=job).update(epoch=9)
    letters.confirm(session, [due])
    assert unpublished() == 1


def test_dead_letters_stay_due_without_a_broker(session: sa.Connection) -> None:
    make_job(state=State.DEAD)
    nowhere = ConfirmingPublisher("amqp://nobody:nothing@127.0.0.1:1//")
    with pytest.raises(BrokerUnavailableError):
        DeadLetterPublisher("echo", nowhere).post(session)
    assert DeadLetter.objects.filter(due__lte=timezone.now()).count() == 1


def test_more_dead_letters_than_one_chunk_are_all_published(session: sa.Connection, broker_url: str) -> None:
    model = new_model()
    made = make_jobs(2 * MOST + 3, state=State.DEAD, model=model)
    with running(broker_url, [model]):
        wait_until(lambda: unpublished() == 0)
    assert {letter.job for letter in dead_letters(broker_url, model)} == {job.id for job in made}


def test_letters_that_a_wiped_broker_lost_are_published_again(
    session: sa.Connection, broker_url: str
) -> None:
    model = new_model()
    job, discarded = make_jobs(2, state=State.DEAD, model=model)
    DeadLetter.objects.filter(job=discarded).update(due=None, discarded_at=timezone.now())
    with running(broker_url, [model]):
        wait_until(lambda: unpublished() == 0)
    with connected(broker_url) as connection, connection.channel() as channel:
        channel.queue_delete(topology.dead_queue_name(model))
    with running(broker_url, [model]):
        wait_until(lambda: topology_has(broker_url, model, 1))
    assert [letter.job for letter in dead_letters(broker_url, model)] == [job.id]


def topology_has(url: str, model: str, ready: int) -> bool:
    with connected(url) as connection:
        counts = broker_queues.dead_counts(connection, model)
    return counts is not None and counts.ready == ready


def test_a_missing_queue_is_declared_again_and_gets_the_dead_letter(
    session: sa.Connection, broker_url: str
) -> None:
    model = new_model()
    with running(broker_url, [model]):
        wait_until(lambda: topology_has(broker_url, model, 0))
        with connected(broker_url) as connection, connection.channel() as channel:
            channel.queue_delete(topology.dead_queue_name(model))
        make_job(state=State.DEAD, model=model)
        wait_until(lambda: unpublished() == 0)
        wait_until(lambda: topology_has(broker_url, model, 1))
