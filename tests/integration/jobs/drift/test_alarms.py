"""What an alarm does: a signed webhook that is tried again, and a cache that answers no job any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import override_settings

from jobs.core.drift.field_names import LABEL
from jobs.core.webhooks.policy import secret_key, signature
from jobs.db import database_clock
from jobs.models import CacheGeneration, DriftAlarm, Event
from jobs.services.drift.alarm_webhooks import send_due
from jobs.services.drift.comparing import compare_version
from jobs.services.drift.reference import freeze_when_due
from jobs.services.reuse.generations import forget_generations, generation_for, purge_cache
from jobs.services.webhooks.secrets import make_secret
from models_registry.core.version import VersionInfo
from tests.support.drift import HOUR, NUMBER, jobs_like, sampled, this_hour, watched
from tests.support.receiver import Receiver, receiving

CLIENT = "operators"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with (
        receiving() as receiver,
        override_settings(INFERENCE=_with_internal_host()),
    ):
        yield receiver


def _with_internal_host() -> object:
    from dataclasses import replace

    from django.conf import settings

    return replace(settings.INFERENCE, webhook_internal_hosts=("127.0.0.1",))


def alarmed(info: VersionInfo) -> DriftAlarm:
    """Let a version drift, and return its alarm."""
    sampled(info.id, this_hour(), jobs_like(5_000))
    assert freeze_when_due(info, this_hour() + HOUR)
    for hour in (1, 2):
        sampled(info.id, this_hour() + hour * HOUR, jobs_like(500, label="cat", seed=hour))
    assert compare_version(info, this_hour() + 3 * HOUR).alarms == 1
    return DriftAlarm.objects.get()


def due_now() -> None:
    DriftAlarm.objects.update(due=database_clock.read_now() - timedelta(seconds=1))


def test_an_alarm_is_sent_once_and_signed_with_the_client_s_secret(db: str, receiver: Receiver) -> None:
    secret = make_secret(client=CLIENT, actor="olga")
    alarm = alarmed(watched(webhook_url=receiver.url, webhook_client=CLIENT))
    assert send_due() == 1
    ((headers, body),) = receiver.requests
    event = json.loads(body)
    assert event["type"] == "model.drift"
    assert (event["data"]["model"], event["data"]["version"], event["data"]["alarm"]) == (
        "echo",
        "1",
        alarm.pk,
    )
    assert [*event["data"]["fields"]] == ["output:label"]
    names = {name.lower(): value for name, value in headers.items()}
    assert names["webhook-id"] == f"drift_{alarm.pk}_1"
    assert names["webhook-signature"] == signature(
        [secret_key(secret)],
        message_id=names["webhook-id"],
        timestamp_s=int(names["webhook-timestamp"]),
        body=body,
    )
    alarm.refresh_from_db()
    assert (alarm.state, alarm.due, alarm.attempts, alarm.answer) == ("delivered", None, 1, "200 ok")
    assert send_due() == 0


def test_a_receiver_that_fails_gets_it_again_and_one_that_is_gone_does_not(
    db: str, receiver: Receiver
) -> None:
    make_secret(client=CLIENT, actor="olga")
    alarmed(watched(webhook_url=receiver.url, webhook_client=CLIENT))
    receiver.answers = [(500, {}), (410, {})]
    assert send_due() == 1
    alarm = DriftAlarm.objects.get()
    assert (alarm.state, alarm.attempts, alarm.due is not None) == ("waiting", 1, True)
    due_now()
    assert send_due() == 1
    alarm.refresh_from_db()
    assert (alarm.state, alarm.attempts, alarm.due) == ("disabled", 2, None)
    assert {request[0]["webhook-id"] for request in receiver.requests} == {f"drift_{alarm.pk}_1"}


@pytest.mark.parametrize(
    ("url", "secret", "answer"),
    [
        ("https://10.0.0.1/hook", True, "not sent: webhook_url names an address that is not public"),
        ("http://hooks.example/", True, "not sent: webhook_url must be https"),
        (
            "https://hooks.example/",
            False,
            "not sent: there is no client operators, whose secret is to sign it",
        ),
    ],
)
def test_what_may_not_be_sent_says_why_and_is_tried_again(
    db: str, url: str, answer: str, *, secret: bool
) -> None:
    if secret:
        make_secret(client=CLIENT, actor="olga")
    alarmed(watched(webhook_url=url, webhook_client=CLIENT))
    assert send_due() == 1
    alarm = DriftAlarm.objects.get()
    assert (alarm.state, alarm.answer) == ("waiting", answer)


def test_a_field_that_is_found_late_is_added_noted_and_sent_again(db: str, receiver: Receiver) -> None:
    make_secret(client=CLIENT, actor="olga")
    info = watched(webhook_url=receiver.url, webhook_client=CLIENT, purge_cache=True)
    alarm = alarmed(info)
    assert send_due() == 1
    for hour in (1, 2):
        sampled(info.id, this_hour() + hour * HOUR, jobs_like(500, label="cat", shift=2.0, seed=9))
    again = [compare_version(info, this_hour() + 3 * HOUR).alarms for _ in range(2)]
    assert again == [0, 0]
    late = DriftAlarm.objects.get()
    assert sorted(late.fields) == [NUMBER, LABEL]
    assert late.fields[LABEL] == alarm.fields[LABEL]
    assert (late.pk, late.state, late.attempts, late.generation) == (alarm.pk, "waiting", 0, 2)
    assert send_due() == 1
    ids, bodies = zip(*((headers, json.loads(body)) for headers, body in receiver.requests), strict=True)
    assert [sorted(body["data"]["fields"]) for body in bodies] == [[LABEL], [NUMBER, LABEL]]
    assert len({headers["webhook-id"] for headers in ids}) == 2
    noted = Event.objects.filter(kind="drift", detail__act="alarm").order_by("id")
    assert [[*event.detail["fields"]] for event in noted] == [[LABEL], [NUMBER]]
    late.refresh_from_db()
    assert (late.state, late.attempts) == ("delivered", 1)


def test_an_alarm_raises_the_generation_where_the_version_asks_for_it(db: str) -> None:
    info = watched(purge_cache=True)
    assert generation_for(info) == 0
    alarm = alarmed(info)
    assert (alarm.generation, generation_for(info)) == (1, 1)
    event = Event.objects.get(kind="purge_cache")
    assert (event.actor, event.detail["reason"]) == ("platform", "output:label of echo:1 drifts")
    assert Event.objects.filter(kind="drift", detail__generation=1).exists()


def test_a_version_that_does_not_ask_keeps_its_cache(echo: VersionInfo) -> None:
    assert alarmed(echo).generation is None
    assert generation_for(echo) == 0
    assert not CacheGeneration.objects.exists()


def test_each_purge_is_another_generation(echo: VersionInfo) -> None:
    numbers = [purge_cache(echo.model_id, model="echo", actor="olga") for _ in range(3)]
    assert numbers == [1, 2, 3]
    forget_generations()
    assert generation_for(echo) == 3
