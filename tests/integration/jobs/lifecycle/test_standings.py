"""The row decides: a message that says anything else of its job than the row runs nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
import sqlalchemy as sa

from jobs.broker.topology import queue_name
from jobs.core.batching.sealed_batch import SealedBatch, SealReason
from jobs.core.messages.envelope import NEWER, Envelope
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.models import Job, Outbox
from jobs.services.lifecycle.claim import claim
from jobs.services.lifecycle.standings import Pointer, Standing, standings
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.stages.claimer import Claimer
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_job, make_version
from tests.support.no_rollouts import NO_ROLLOUTS

FORGED = {"version": 10**6, "client": 10**6, "parameters_digest": 7, "isolation_group": 3}


@pytest.mark.parametrize("field", FORGED)
def test_a_claim_takes_no_job_by_a_forged_field(field: str, session: sa.Connection) -> None:
    job, other = make_job(), make_job()
    forged = envelope_of(job, **{field: FORGED[field]})
    version = make_version("other") if field == "version" else None
    row = batch_row(version, isolation_group=forged.isolation_group)
    assert claim(session, batch=row, envelopes=[forged]) == []
    (standing,) = standings(session, pointers=[Pointer(job.model, forged)])
    assert standing == Standing(State.QUEUED, claimable=False, untrue=(field,))
    taken = claim(session, batch=batch_row(), envelopes=[forged, envelope_of(job), envelope_of(other)])
    assert {claimed.job for claimed in taken} == {job.id, other.id}


@pytest.mark.parametrize("hint", [{"size": 10**6}, {"priority": 9}, {"deadline": 1.0}])
def test_a_forged_hint_changes_nothing_of_the_job(hint: dict[str, Any], session: sa.Connection) -> None:
    job = make_job(body={"n": 1})
    (claimed,) = claim(session, batch=batch_row(), envelopes=[envelope_of(job, **hint)])
    assert (claimed.job, claimed.body, claimed.left_s) == (job.id, b'{"n": 1}', None)
    assert (claimed.epoch, claimed.attempts, claimed.client) == (1, 1, job.client_id)


def test_a_message_in_another_model_s_queue_is_a_forgery(session: sa.Connection) -> None:
    job = make_job()
    (standing,) = standings(session, pointers=[Pointer("other", envelope_of(job))])
    assert standing is not None
    assert standing.untrue == ("model",)
    newer = envelope_of(job, version=NEWER)
    assert standings(session, pointers=[Pointer(job.model, newer), Pointer("other", newer)]) == [
        Standing(State.QUEUED, claimable=True),
        Standing(State.QUEUED, claimable=False, untrue=("model",)),
    ]


def test_a_job_that_follows_another_is_claimed_by_no_message(session: sa.Connection) -> None:
    job = make_job()
    Outbox.objects.filter(job=job).delete()
    assert claim(session, batch=batch_row(), envelopes=[envelope_of(job)]) == []


class Pool:
    """Has no version, and must load none."""

    def __init__(self, *versions: int) -> None:
        self.versions = versions

    def has(self, version: int) -> bool:
        return version in self.versions

    def hold(self, version: int, **_promised: bool) -> Any:
        assert self.has(version), "a forged message chose what is loaded"
        info = SimpleNamespace(model="echo", platform_options=None)
        return SimpleNamespace(runner=None, info=info)

    def release(self, version: int) -> None:
        """Do nothing."""


def delivered(envelope: Envelope, model: str = "echo") -> MessageDelivery:
    message: Any = SimpleNamespace(delivery_info={"routing_key": model})
    return MessageDelivery(Parcel(message, 1, 1), envelope, task=None)


def claimer(*versions: int, hold_s: float = 0.0) -> Claimer:
    circuits: Any = SimpleNamespace(hold_s=lambda _version, _client: hold_s)
    return Claimer(
        engine(), batch_row().worker, cast("Any", Pool(*versions)), lambda: False, circuits, MagicMock(),
        NO_ROLLOUTS,
    )  # fmt: skip


def sealed(version: int, *deliveries: MessageDelivery) -> SealedBatch[MessageDelivery]:
    return SealedBatch(version, list(deliveries), len(deliveries), SealReason.FULL, 0.0)


def test_a_forged_message_chooses_no_version_to_load(db: str) -> None:
    job, other = make_job(), make_version("other")
    forged = delivered(envelope_of(job, version=other.id), "other")
    batch, (refusal,) = claimer().claim(sealed(other.id, forged))
    assert (batch.jobs, refusal.state) == ([], None)
    assert refusal.untrue == ("model", "version")


@pytest.mark.parametrize("routing_key", ["other", queue_name("other")])
def test_the_worker_runs_no_job_that_came_by_another_model_s_queue(routing_key: str, db: str) -> None:
    job = make_job()
    batch, (refusal,) = claimer(job.version_id).claim(
        sealed(job.version_id, delivered(envelope_of(job), routing_key))
    )
    assert (batch.jobs, refusal.state, refusal.untrue) == ([], None, ("model",))
    assert Job.objects.get().state == State.QUEUED


def test_a_forged_copy_beside_it_costs_the_true_message_nothing(db: str) -> None:
    job = make_job()
    true = delivered(envelope_of(job))
    fakes = [delivered(envelope_of(job, epoch=99)), delivered(envelope_of(job, client=99))]
    batch, refused = claimer(job.version_id).claim(sealed(job.version_id, fakes[0], true, fakes[1]))
    assert (batch.deliveries, [claimed.job for claimed in batch.jobs]) == ([true], [job.id])
    assert [refusal.delivery for refusal in refused] == fakes


def test_a_forged_message_postpones_no_job_that_waits(db: str) -> None:
    job = make_job()
    due = Outbox.objects.get(job=job).due
    forged = delivered(envelope_of(job, client=99))
    _, (refusal,) = claimer(job.version_id, hold_s=60.0).claim(sealed(job.version_id, forged))
    assert refusal.untrue == ("client",)
    unpublished = delivered(envelope_of(job, version=NEWER))  # also of the right queue
    claimer().claim(sealed(NEWER, unpublished))
    assert Outbox.objects.get(job=job).due == due
