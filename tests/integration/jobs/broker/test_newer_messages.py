"""A message of a later release than the worker's, in the middle of a rolling upgrade."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from django.db.models.functions import Now

from jobs.core.batching.sealed_batch import SealedBatch, SealReason
from jobs.core.messages.bundle import bundle
from jobs.core.messages.envelope import NEWER
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.db.session import transaction
from jobs.models import DeadLetter, Job, Outbox
from jobs.services.relay import statements as feed
from jobs.worker.consuming.strategy import envelopes_of
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.stages.claimer import NEWER_HOLD_S, Claimer
from tests.support.factories import make_jobs, make_version
from tests.support.no_rollouts import NO_ROLLOUTS


def of_a_later_release(envelopes: list[Any]) -> Any:
    """Return the message of a publisher whose pointers and bundles have grown."""
    body = json.loads(msgspec.json.encode(bundle(envelopes)))
    body |= {"v": 3, "something": "new", "jobs": [[*pointer, {"new": 1}] for pointer in body["jobs"]]}
    first = envelopes[0]
    return SimpleNamespace(
        content_type="application/json",
        body=json.dumps([[], body, {}]),
        headers={"id": str(first.job)},
        delivery_info={"routing_key": "echo"},
        properties={"message_id": f"{first.job}:{first.epoch}"},
    )


@pytest.mark.usefixtures("db")
def test_its_jobs_go_back_to_the_outbox_with_a_delay_and_are_not_dead(session: sa.Connection) -> None:
    version = make_version()
    make_jobs(3, model=version.model.name, version=version)
    with transaction(session):
        rows = feed.take_fresh(session, version.model.name, rooms=dict.fromkeys(range(10), 9), most=9)
    message = of_a_later_release([row.envelope for row in rows])
    envelopes = envelopes_of(message)
    parcel = Parcel(message, len(envelopes), 1)
    deliveries = [MessageDelivery(parcel, envelope, task=None) for envelope in envelopes]
    claimer = Claimer(
        engine(), UUID(int=1), MagicMock(), lambda: False, MagicMock(), MagicMock(), NO_ROLLOUTS
    )
    batch, refused = claimer.claim(SealedBatch(NEWER, deliveries, 1, SealReason.IDLE, 0.0))
    assert not batch.jobs
    assert {(refusal.delivery.job, refusal.state) for refusal in refused} == {
        (row.envelope.job, State.QUEUED) for row in rows
    }
    soon, late = timedelta(seconds=NEWER_HOLD_S / 2), timedelta(seconds=NEWER_HOLD_S + 5)
    back = Outbox.objects.filter(published=0, due__gt=Now() + soon, due__lt=Now() + late)
    assert back.count() == 3
    assert set(Job.objects.values_list("state", "attempts")) == {(State.QUEUED, 0)}
    assert not DeadLetter.objects.exists()
