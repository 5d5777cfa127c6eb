import json
from uuid import uuid4

from jobs.broker.job_message import job_message, outgoing
from jobs.core.messages.bundle import read
from jobs.core.messages.envelope import TASK_NAME, Envelope

ENVELOPE = Envelope(job=uuid4(), epoch=3, version=7, priority=9, size=12)
OTHER = Envelope(job=uuid4(), epoch=1, version=7, priority=9, size=5)


def test_a_message_is_a_celery_task_whose_arguments_are_the_bundle() -> None:
    message = job_message(ENVELOPE, OTHER)
    args, _, embed = json.loads(message.body)
    assert args == []
    assert read(message.body) == [ENVELOPE, OTHER]
    assert embed == {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert message.headers["task"] == TASK_NAME
    assert message.headers["id"] == str(ENVELOPE.job) == message.properties["correlation_id"]


def test_a_message_is_persistent_and_carries_the_brokers_level_and_its_epoch() -> None:
    properties = job_message(ENVELOPE).properties
    assert properties["delivery_mode"] == 2
    assert properties["priority"] == 6
    assert job_message(ENVELOPE, fast=True).properties["priority"] == 7
    assert properties["message_id"] == f"{ENVELOPE.job}:3"


def test_a_message_has_neither_eta_nor_expiry() -> None:
    message = job_message(ENVELOPE)
    assert not {"eta", "expires"} & set(message.headers)
    assert "expiration" not in message.properties


def test_a_message_goes_to_its_models_routing_key() -> None:
    sent = outgoing("minilm", [ENVELOPE])
    assert (sent.exchange, sent.routing_key) == ("infer", "minilm")


def test_only_a_message_with_a_traced_job_has_the_header_of_its_publish() -> None:
    assert "traceparent" not in outgoing("minilm", [ENVELOPE]).message.headers
    assert outgoing("minilm", [ENVELOPE], traceparent="00-a").message.headers["traceparent"] == "00-a"
