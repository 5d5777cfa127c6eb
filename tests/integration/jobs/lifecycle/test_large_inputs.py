"""Jobs whose messages say that they are small and whose inputs are large: a worker holds a few at a time."""

from __future__ import annotations

import dataclasses
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import sqlalchemy as sa
from django.conf import settings
from django.core.files.storage import storages

from jobs.core.batching.sealed_batch import SealedBatch, SealReason
from jobs.core.messages.envelope import Envelope
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.models import Job, Outbox
from jobs.services.submission.uploads import take_upload
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.stages.claimer import Claimer
from models_registry import selectors
from models_registry.loaders.builtin import Echo
from tests.support.factories import make_version, make_worker
from tests.support.no_rollouts import NO_ROLLOUTS
from tests.support.submit import owner, submit_to

TEXT = b"x" * 100_000
JOBS = 6


def deliveries_of(version: int) -> list[MessageDelivery]:
    """Return forged messages of all jobs that wait: by their hints, each input is empty."""
    envelopes = [
        Envelope(row.job_id, row.epoch, version, 0, size=0, client=owner().id)
        for row in Outbox.objects.order_by("job_id")
    ]
    parcel = Parcel(SimpleNamespace(delivery_info={"routing_key": "echo"}), len(envelopes), 1)
    return [MessageDelivery(parcel, envelope, task=None) for envelope in envelopes]


@pytest.mark.usefixtures("db")
def test_what_does_not_fit_a_batch_waits_again_uncharged(
    session: sa.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(storages._storages, "payloads", storages.create_storage({  # type: ignore[attr-defined]
        "BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)},
    }))  # fmt: skip
    small = dataclasses.replace(settings.INFERENCE, batch_input_bytes=500_000)
    monkeypatch.setattr(settings, "INFERENCE", small)
    selectors.forget()
    version = make_version("echo")
    upload = take_upload(owner=owner(), source=BytesIO(TEXT), content_type="text/plain").id
    for _ in range(JOBS):
        submit_to("echo", {"pages": [{"$upload": str(upload)}] * 2})
    assert min(Job.objects.values_list("size", flat=True)) > 200_000
    pool: Any = SimpleNamespace(
        hold=lambda _, **_promised: SimpleNamespace(runner=Echo(), info=selectors.info(version.id)),
        release=lambda _: None,
        has=lambda _: True,
    )
    circuits: Any = SimpleNamespace(hold_s=lambda *_: 0.0)
    claimer = Claimer(engine(), make_worker().id, pool, lambda: False, circuits, MagicMock(), NO_ROLLOUTS)
    sealed = SealedBatch(version.id, deliveries_of(version.id), JOBS, SealReason.FULL, 0.0)
    batch, refused = claimer.claim(sealed)
    assert (len(batch.jobs), refused) == (JOBS, [])
    left = claimer.prepare(batch)
    assert (len(batch.jobs), len(left)) == (2, JOBS - 2)
    assert {refusal.state for refusal in left} == {State.QUEUED}
    rows = Job.objects.filter(pk__in=[refusal.delivery.job for refusal in left])
    assert list(rows.values_list("state", "attempts")) == [(State.QUEUED, 0)] * (JOBS - 2)
    waiting = Outbox.objects.values_list("job_id", flat=True)
    assert set(waiting) == {refusal.delivery.job for refusal in left}
    assert batch.privacy is not None
    assert [len(item.input["pages"][0]) for item in batch.privacy.items.values()] == [100_000] * 2
