"""An alias with a cascade, its jobs, and the stages of a worker that runs a step of theirs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import msgspec

from jobs.core.batching.sealed_batch import SealedBatch, SealReason
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.db.engine import engine
from jobs.models import Job, JobStep, Outbox
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.rollout_monitor import RolloutMonitor
from jobs.worker.stages.cascade_steps import StepJudge
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.settler import Settler, Stored
from models_registry import selectors
from models_registry.core.version import VersionInfo
from models_registry.models import ModelVersion, Rule
from models_registry.services.rules import put_rule
from tests.support.claims import envelope_of
from tests.support.factories import make_version, make_worker
from tests.support.submit import submit_to

FAULT = Failure(FailureKind.INTERNAL, "boom", "it quotes the input", "Traceback")
ESCALATE = {"pointer": "/confidence", "below": 0.7}


def cascade(first: str = "light:1", then: str = "heavy:1", **fields: Any) -> dict[str, Any]:
    """Return the document of a cascade."""
    return {"first": first, "then": then, "escalate": ESCALATE} | fields


def put_cascade(
    first: str = "light:1",
    then: str = "heavy:1",
    *,
    model: str = "light",
    alias: str = "default",
    **fields: Any,
) -> Rule:
    """Put a cascade in force at `light@default`, whose stable version is 1; `fields` are the cascade's."""
    document = {"stable": "1", "cascade": cascade(first, then, **fields)}
    rule = put_rule(model=model, alias=alias, document=document, actor="olga")
    selectors.forget()
    return rule


def light_and_heavy(**options: Any) -> tuple[ModelVersion, ModelVersion]:
    """Return the versions `light:1` and `heavy:1` of two models."""
    selectors.forget()
    return make_version("light", "1", options=options), make_version("heavy", "1", options=options)


def submit(text: str = "a", **fields: Any) -> Job:
    """Submit a job of the alias with the cascade."""
    return job_of(submit_to("light", {"text": text}, **fields).id)


def job_of(job_id: UUID) -> Job:
    """Return a job as it is now."""
    return Job.objects.select_related("version__model").get(id=job_id)


def answer(confidence: Any, label: int = 1) -> Success:
    """Return an output with a confidence and a label."""
    return Success(msgspec.json.encode({"confidence": confidence, "label": label}))


def delivered(job: Job) -> MessageDelivery:
    """Return the delivery of the message that the relay would publish of a job."""
    row = Outbox.objects.get(job_id=job.id)
    message: Any = SimpleNamespace(delivery_info={"routing_key": row.model})
    envelope = envelope_of(
        job, epoch=row.epoch, version=row.version_id, parameters_digest=row.parameters_digest
    )
    return MessageDelivery(Parcel(message, 1, 1), envelope, task=None)


def claimed(*jobs: Job) -> ClaimedBatch:
    """Claim queued jobs of one version as one batch."""
    version = jobs[0].version
    circuits: Any = SimpleNamespace(hold_s=lambda *_: 0.0)
    loaded = SimpleNamespace(runner=None, info=VersionInfo.of(version))
    pool: Any = SimpleNamespace(has=lambda _: True, hold=lambda _, **__: loaded, release=lambda _: None)
    worker = make_worker(node=f"{time.monotonic_ns()}@tests").id
    claimer = Claimer(engine(), worker, pool, lambda: False, circuits, MagicMock(), RolloutMonitor(engine()))
    deliveries = [delivered(job) for job in jobs]
    batch, refused = claimer.claim(SealedBatch(version.id, deliveries, len(jobs), SealReason.FULL, 0.0))
    assert not refused
    batch.lane_ended = batch.claim_ended = time.monotonic()
    return batch


def settled(
    batch: ClaimedBatch, outcome: Success | Failure | Sequence[Success | Failure], *, again: bool = False,
    left_s: float | None = None, open_circuits: Sequence[int] = (), why: str = "a test",
) -> Stored:  # fmt: skip
    """Settle a batch with its outcomes; `again` lets failures be tried again, `why` says why they are not."""
    circuits: Any = MagicMock()
    circuits.is_open = lambda version, _: version in open_circuits
    judge = StepJudge(engine(), circuits)
    outcomes = [outcome] * len(batch.jobs) if isinstance(outcome, Success | Failure) else outcome
    after = RetryAfter(0.0) if again else Bury(why)
    verdicts = [
        Verdict(job.job, job.epoch, one)
        if isinstance(one, Success)
        else Verdict(job.job, job.epoch, one, after, attempt=job.attempts)
        for job, one in zip(batch.jobs, outcomes, strict=True)
    ]
    if left_s is not None:
        batch.jobs = [msgspec.structs.replace(job, left_s=left_s) for job in batch.jobs]
    batch.verdicts = judge.stepped_all(batch, verdicts, dict(enumerate(outcomes)))
    settler = Settler(
        engine(), lambda: False, node="gpu-0@tests", expected_s=lambda *_: 0.0, circuits=circuits
    )
    stored = settler.settle(batch)
    assert stored is not None
    return stored


def ran(job: Job, outcome: Success | Failure, **how: Any) -> Job:
    """Let a worker run a queued job with this outcome; return the job as it is then."""
    settled(claimed(job_of(job.id)), outcome, **how)
    return job_of(job.id)


def steps_of(job: Job) -> list[tuple[int, str, str, float | None, str]]:
    """Return a job's steps: number, version, why it ended so, confidence, and what hindered the next one."""
    rows = JobStep.objects.filter(job_id=job.id).select_related("version__model").order_by("epoch")
    return [(row.number, str(row.version), row.why, row.confidence, row.hindrance) for row in rows]
