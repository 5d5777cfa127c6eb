import json
from uuid import uuid4

from jobs.amqp.message import job_message, outgoing
from jobs.core.envelope import TASK_NAME, Envelope

ENVELOPE = Envelope(job=uuid4(), epoch=3, version=7, priority=9, size=12)


def test_a_message_is_a_celery_task_whose_arguments_are_the_envelope() -> None:
    message = job_message(ENVELOPE)
    args, kwargs, embed = json.loads(message.body)
    assert args == []
    assert Envelope.from_kwargs(kwargs) == ENVELOPE
    assert embed == {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert message.headers["task"] == TASK_NAME
    assert message.headers["id"] == str(ENVELOPE.job) == message.properties["correlation_id"]


def test_a_message_is_persistent_and_carries_the_brokers_level_and_its_epoch() -> None:
    properties = job_message(ENVELOPE).properties
    assert properties["delivery_mode"] == 2
    assert properties["priority"] == 3
    assert properties["message_id"] == f"{ENVELOPE.job}:3"


def test_a_message_has_neither_eta_nor_expiry() -> None:
    headers = job_message(ENVELOPE).headers
    assert headers["eta"] is None
    assert headers["expires"] is None
    assert "expiration" not in job_message(ENVELOPE).properties


def test_a_message_goes_to_its_models_routing_key() -> None:
    sent = outgoing("minilm", ENVELOPE)
    assert (sent.exchange, sent.routing_key) == ("infer", "minilm")
