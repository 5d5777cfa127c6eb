"""A queue in which nothing waits costs next to nothing, and whatever comes to it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import pytest
import sqlalchemy as sa
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from jobs.core.channels import EVERY_QUEUE, SUBMITTED
from jobs.core.states import State
from jobs.db.channel_names import listen
from jobs.db.listen_loop import heard
from jobs.db.notify import MOST_QUEUES, wake_relay
from jobs.models import DeadLetter, Outbox
from jobs.services.relay.relay import BLOCKED_S, Relay
from tests.support.factories import make_job, make_jobs, make_version
from tests.support.relays import drain, make_relay, new_model, ready, running
from tests.support.submit import submit_to
from tests.support.wait import wait_until

OTHERS = 20


@contextmanager
def statements_of(session: sa.Connection) -> Iterator[list[str]]:
    """Collect the statements on a session, but those that keep a lease, for which time alone asks."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "INTO jobs_lease " not in statement:
            seen.append(statement)

    sa.event.listen(session, "before_cursor_execute", note)
    yield seen
    sa.event.remove(session, "before_cursor_execute", note)


def stepped(relay: Relay, session: sa.Connection, done: Callable[[], bool]) -> bool:
    relay.step(session)
    return done()


@pytest.fixture
def resting(db: str, broker_url: str, session: sa.Connection) -> Iterator[Callable[..., Relay]]:
    """Return what makes a relay whose queues all rest."""
    stop, made = Event(), list[Relay]()

    def rested(models: list[str]) -> Relay:
        relay = make_relay(broker_url, models, stop)
        made.append(relay)
        wait_until(lambda: stepped(relay, session, lambda: bool(relay._feeders) and not relay._awake))
        return relay

    yield rested
    for relay in made:
        relay.closed()


def quiet(relay: Relay) -> None:
    """Let nothing be due but what a signal asks for."""
    far = relay._clock() + 60
    relay._refresh_at = relay._circuits_at = relay._resting.look_at = far


def test_a_job_in_a_queue_that_rests_is_chosen_and_taken_by_one_statement(
    resting: Callable[..., Relay], session: sa.Connection, broker_url: str
) -> None:
    model = new_model()
    relay = resting([model])
    quiet(relay)
    make_job(model=model)
    with statements_of(session) as seen:
        relay.step(session, [model])
    assert len(seen) == 1
    assert ready(broker_url, model) == 1
    assert not relay._awake
    assert Outbox.objects.get(model=model).published == 1


def test_a_signal_costs_the_same_among_many_models(
    resting: Callable[..., Relay], session: sa.Connection, broker_url: str
) -> None:
    model = new_model()
    relay = resting([model, *(new_model() for _ in range(OTHERS))])
    quiet(relay)
    make_job(model=model)
    with statements_of(session) as signalled:
        relay.step(session, [model])
        relay.step(session, ["a model that this relay does not feed"])
        for _ in range(5):
            relay.step(session)
    assert len(signalled) == 1
    relay._resting.look_at = relay._resting._past_at = 0.0
    relay._letters._counted_at = dict.fromkeys(relay._feeders, relay._clock())
    with statements_of(session) as looked:
        relay.step(session)
    assert len(looked) <= 3  # what came, what lies in the past, and one count of what is in flight
    assert ready(broker_url, model) == 1


def test_a_burst_into_all_queues_costs_one_statement_a_queue(
    resting: Callable[..., Relay], session: sa.Connection, broker_url: str
) -> None:
    models = [new_model() for _ in range(6)]
    relay = resting(models)
    relay._letters._counted_at = dict.fromkeys(relay._feeders, relay._clock())
    relay._resting.look_at = 0.0
    relay.step(session)
    quiet(relay)
    relay._resting._past_at = relay._clock() + 60
    for model in models:
        make_job(model=model)
    with statements_of(session) as seen:
        relay.step(session, [EVERY_QUEUE])
    assert len(seen) == 1 + len(models)
    assert [ready(broker_url, model) for model in models] == [1] * len(models)


def test_more_jobs_than_few_are_fed_in_their_order(
    resting: Callable[..., Relay], session: sa.Connection, broker_url: str
) -> None:
    model = new_model()
    relay = resting([model])
    make_jobs(100, model=model)
    relay.step(session, [model])
    assert model in relay._awake
    wait_until(lambda: stepped(relay, session, lambda: not relay._awake))
    assert ready(broker_url, model) == 100


def test_what_came_without_a_signal_is_found(
    resting: Callable[..., Relay], session: sa.Connection, broker_url: str
) -> None:
    model, other = new_model(), new_model()
    relay = resting([model, other])
    make_job(model=model, due=timezone.now() - timedelta(seconds=3))
    make_job(model=other, due=timezone.now() + timedelta(seconds=0.4))
    wait_until(lambda: stepped(relay, session, lambda: ready(broker_url, model) == 1))
    wait_until(lambda: stepped(relay, session, lambda: ready(broker_url, other) == 1))


def test_a_lost_message_in_a_queue_that_rests_is_published_again(model_of_one: str, broker_url: str) -> None:
    with running(broker_url, [model_of_one]) as relay:
        wait_until(lambda: ready(broker_url, model_of_one) == 1)
        wait_until(lambda: not relay._awake)
        drain(broker_url, model_of_one)
        Outbox.objects.filter(model=model_of_one).update(due=Now())
        wait_until(lambda: ready(broker_url, model_of_one) == 1)


@pytest.fixture
def model_of_one(db: str) -> str:
    model = new_model()
    make_job(model=model)
    return model


def test_a_job_below_every_mark_of_a_queue_that_rests_is_found(
    resting: Callable[..., Relay], session: sa.Connection, broker_url: str
) -> None:
    model = new_model()
    relay = resting([model])
    make_job(model=model, due=timezone.now() - timedelta(days=9))

    def found() -> bool:
        relay._resting._past_at = 0.0  # a slice of the past at each look, not each second
        return ready(broker_url, model) == 1

    wait_until(lambda: stepped(relay, session, found))


@pytest.mark.parametrize("pace", ["full_until", "paused_until"])
def test_what_lies_below_the_marks_of_a_queue_that_may_not_be_fed_yet_is_not_forgotten(
    resting: Callable[..., Relay], session: sa.Connection, broker_url: str, pace: str
) -> None:
    model = new_model()
    relay = resting([model])
    quiet(relay)
    job = make_job(model=model, due=timezone.now() - timedelta(days=9))
    feeder = relay._feeders[model]
    setattr(feeder._pace, pace, relay._clock() + 60)
    feeder.lies_below((job.priority, job.client_id), 0.0, published=False)
    relay.step(session, [model])
    setattr(feeder._pace, pace, 0.0)
    wait_until(lambda: stepped(relay, session, lambda: ready(broker_url, model) == 1))


def test_a_relay_whose_broker_takes_no_messages_does_not_spin(
    resting: Callable[..., Relay], session: sa.Connection
) -> None:
    relay = resting([new_model()])
    relay._refresh_at = relay._circuits_at = relay._resting.look_at = 0.0
    assert relay.pause_s == 0.0
    relay._publisher.blocked = True
    relay.step(session)
    assert relay.pause_s >= BLOCKED_S


def test_a_relay_that_begins_anew_reads_the_models_over_a_new_connection(
    resting: Callable[..., Relay],
) -> None:
    relay = resting([new_model()])
    connection.ensure_connection()
    relay.closed()
    assert connection.connection is None


def test_a_dead_letter_of_a_queue_that_rests_is_published(
    resting: Callable[..., Relay], session: sa.Connection
) -> None:
    model = new_model()
    relay = resting([model])
    make_job(state=State.DEAD, model=model)
    wait_until(lambda: stepped(relay, session, DeadLetter.objects.filter(due=None).exists))


def test_a_busy_queue_s_dead_letters_are_published_too(db: str, broker_url: str) -> None:
    model = new_model()
    make_jobs(30, model=model)
    with running(broker_url, [model], depth=10) as relay:
        wait_until(lambda: ready(broker_url, model) == 10)
        make_job(state=State.DEAD, model=model)
        wait_until(lambda: DeadLetter.objects.filter(due=None).exists())
        assert model in relay._awake


def test_a_submit_names_its_queue_and_many_queues_are_named_as_all(session: sa.Connection) -> None:
    make_version("echo")
    listen(session, SUBMITTED)
    submit_to("echo", {"a": 1})
    assert heard(session, 5.0) == ["echo"]
    wake_relay(*(f"m-{n}" for n in range(MOST_QUEUES + 1)))
    assert heard(session, 5.0) == [EVERY_QUEUE]
    wake_relay()
    assert heard(session, 5.0) == [EVERY_QUEUE]
