"""A webhook sends a large output as the API shows it, from the row or the storage, plain or sealed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from django.test import Client

from inference_client.webhook import verify
from jobs.models import Delivery, JobResult
from jobs.services.access.owner import forget_owners
from jobs.services.access.tokens import create_token
from jobs.services.webhooks.dispatcher import WebhookDispatcher
from jobs.services.webhooks.secrets import make_secret
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.integration.jobs.secrecy.stored_objects import pointer
from tests.support.deliveries import delivered
from tests.support.payload_keys import NEW, OLD, submit, use
from tests.support.receiver import Receiver, receiving
from tests.support.recorded_tasks import RecordedTasks
from tests.support.worker import run

INPUT = {"text": "é" * 70_000, "exact": [1e2, 0.1, 12345678901234567890]}
HERE = ("127.0.0.1",)


@pytest.fixture(autouse=True, params=["plain", "sealed"])
def kind(request: pytest.FixtureRequest, site: None, folder: Path) -> str:
    ModelVersion.objects.update(options={"encrypt": request.param == "sealed"})
    selectors.forget()
    return str(request.param)


@pytest.fixture
def secret(site: None) -> str:
    return make_secret(client="tests", actor="test")


@pytest.fixture
def receiver(secret: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    use(monkeypatch, OLD, webhook_internal_hosts=HERE)
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def answered(receiver: Receiver, session: sa.Connection) -> UUID:
    """A job whose large output lies in the storage, and whose webhook is due."""
    job = submit(INPUT, callback_url=receiver.url, metadata={"m": 1})
    run(session)
    WebhookDispatcher(stop=Flag(), tasks=RecordedTasks()).step(session, [f"job:{job.id}"])
    assert pointer(job.id, JobResult).size > 140_000
    return job.id


def shown(job_id: UUID) -> Any:
    forget_owners()
    token = create_token(client="tests")
    return Client(headers={"Authorization": f"Bearer {token}"}).get(f"/api/v1/jobs/{job_id}").content


def received(receiver: Receiver, secret: str) -> Any:
    ((headers, body),) = receiver.requests
    assert verify(headers, body, [secret]).type == "job.succeeded"
    return msgspec.json.decode(body)["data"]


def test_a_delivery_has_the_same_data_as_the_api(receiver: Receiver, secret: str, answered: UUID) -> None:
    delivered(answered, attempts=0)
    data = received(receiver, secret)
    assert data == msgspec.json.decode(shown(answered))
    assert (data["output"], data["metadata"]) == (INPUT, {"m": 1})
    assert msgspec.json.encode(data["output"], order="deterministic") in shown(answered)
    assert Delivery.objects.get().state == "delivered"


def test_a_silent_storage_fails_the_attempt_and_the_next_one_sends_the_output(
    receiver: Receiver, secret: str, answered: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_name: str) -> Any:
        raise ConnectionError("no route to the storage")

    with monkeypatch.context() as broken:
        broken.setattr("jobs.payloads.file_storage.PayloadFiles.open", lambda _, name: absent(name))
        delivered(answered, attempts=0)
    row = Delivery.objects.get()
    assert (receiver.requests, row.state, row.attempts, len(row.history)) == ([], "waiting", 1, 1)
    assert "storage" in row.history[0]["said"]
    delivered(answered, attempts=1)
    assert received(receiver, secret)["output"] == INPUT


def test_a_process_without_the_key_leaves_the_delivery_to_another(
    receiver: Receiver, secret: str, answered: UUID, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, NEW, webhook_internal_hosts=HERE)
    delivered(answered, attempts=0)
    if kind == "sealed":
        assert (receiver.requests, Delivery.objects.get().state) == ([], "waiting")
        assert "key" in Delivery.objects.get().history[0]["said"]
        use(monkeypatch, NEW, OLD, webhook_internal_hosts=HERE)
        delivered(answered, attempts=1)
    assert received(receiver, secret)["output"] == INPUT


def test_a_lost_output_is_sent_as_the_api_shows_it(
    receiver: Receiver, secret: str, answered: UUID, folder: Path
) -> None:
    shutil.rmtree(folder)
    delivered(answered, attempts=0)
    data = received(receiver, secret)
    assert "output" not in data
    assert data["error"]["code"] == "payload_lost"
    assert data == msgspec.json.decode(shown(answered))


def test_a_changed_output_is_sent_as_an_error(
    receiver: Receiver, secret: str, answered: UUID, folder: Path
) -> None:
    (folder / pointer(answered, JobResult).name).write_bytes(b'{"text":"of somebody else"}')
    delivered(answered, attempts=0)
    assert received(receiver, secret)["error"]["code"] == "payload_corrupt"
    assert b"somebody else" not in receiver.requests[0][1]
