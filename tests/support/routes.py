"""A roll-out with two versions, and jobs that it has routed; and a worker's part in it, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.retry.policy import Bury
from jobs.core.rollouts.first_attempts import finding_of, is_broken
from jobs.db.session import transaction
from jobs.models import Batch, Job, Route
from jobs.services.lifecycle.claim import BatchRow, Claimed, claim
from jobs.services.lifecycle.rerouting.settle_watched import settle_watched
from jobs.services.lifecycle.rerouting.tallies import FirstAttempt, WatchedBatch
from jobs.services.lifecycle.rerouting.watched import WatchedVersion, read_watched
from jobs.services.lifecycle.settle import Settled, Verdict
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.routing.decision import Arm
from models_registry.models import ModelVersion, Rollout
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_jobs, make_version

FAULT = Failure(FailureKind.INTERNAL, "boom", "it quotes the input", "Traceback")
LATENCY_S = 1.5
ANSWER = Success(b'{"answer":42}')
_keys = count(1)


def make_rollout(
    *, state: str = "running", share_ppm: int = 50_000, budget: int = 100, plan: Any = None, **fields: Any
) -> Rollout:
    """Return a roll-out of `echo:2` against `echo:1`."""
    stable, candidate = make_version(version="1"), make_version(version="2")
    return Rollout.objects.create(
        model=stable.model, alias="default", stable=stable, candidate=candidate,
        plan=Plan.of(plan or {}).document, sha256="0" * 64, salt="s", state=state, share_ppm=share_ppm,
        budget=budget, actor="tests", **fields,
    )  # fmt: skip


def route(
    jobs: Sequence[Job], rollout: Rollout, arm: Arm = Arm.CANDIDATE, *, counted: bool = True, rule: int = 1
) -> None:
    """Say that `rollout` has routed `jobs` by a rule, each by a key of its own."""
    Route.objects.bulk_create(
        [
            Route(
                job=job,
                rollout=rollout.id,
                rule=rule,
                arm=arm,
                key=next(_keys),
                counted=counted,
                asked="echo",
            )
            for job in jobs
        ]
    )


def routed_jobs(
    amount: int, rollout: Rollout, arm: Arm = Arm.CANDIDATE, *, counted: bool = True, **fields: Any
) -> list[Job]:
    """Return queued jobs that `rollout` has routed to `arm`, at its version."""
    version = rollout.candidate if arm is Arm.CANDIDATE else rollout.stable
    jobs = make_jobs(amount, version=version, **fields)
    route(jobs, rollout, arm, counted=counted)
    return jobs


def keys_of(jobs: Sequence[Job]) -> list[int]:
    """Return the keys of the routes of `jobs`, in order of size."""
    rows = Route.objects.filter(job__in=jobs)
    return sorted(key for key in rows.values_list("key", flat=True) if key is not None)


def claimed(
    session: sa.Connection, jobs: Sequence[Job], version: ModelVersion, worker: UUID | None = None
) -> tuple[BatchRow, list[Claimed]]:
    """Claim queued jobs as one batch, past the claim gate."""
    row = batch_row(version, worker)
    with transaction(session):
        done = claim(session, batch=row, envelopes=[envelope_of(job) for job in jobs])
    return row, done


def settled(
    session: sa.Connection,
    row: BatchRow,
    jobs: Sequence[Claimed],
    outcomes: dict[UUID, Outcome] | Outcome,
    *,
    unprepared: bool = False,
) -> tuple[list[Settled], set[UUID]]:
    """Settle a batch as a worker does whose version is watched; failures are for good."""
    verdicts = [
        _verdict(job, outcomes if not isinstance(outcomes, dict) else outcomes[job.job]) for job in jobs
    ]
    with transaction(session):
        batch = watched_batch(row, jobs, verdicts, watches_of(session, row.version), unprepared=unprepared)
        return settle_watched(session, batch=batch, verdicts=verdicts, worker="gpu-0@tests")


def watches_of(session: sa.Connection, version: int) -> tuple[WatchedVersion, ...]:
    """Return the parts that a version has in roll-outs."""
    return read_watched(session).get(version, ())


def watched_batch(
    row: BatchRow,
    jobs: Sequence[Claimed],
    verdicts: Sequence[Verdict],
    watches: tuple[WatchedVersion, ...],
    *,
    unprepared: bool = False,
) -> WatchedBatch:
    """Return what roll-outs are to know of a batch."""
    epochs = {job.job: job.epoch for job in jobs if job.attempts == 1}
    found = [(v.job, finding_of(v.outcome)) for v in verdicts if v.job in epochs]
    firsts = [FirstAttempt(job, epochs[job], finding) for job, finding in found if finding is not None]
    broken = is_broken([v.outcome for v in verdicts], unprepared=unprepared)
    return WatchedBatch(row.id, watches, firsts, LATENCY_S, broken)


def _verdict(job: Claimed, outcome: Outcome) -> Verdict:
    after = None if isinstance(outcome, Success) else Bury("a test")
    return Verdict(job.job, job.epoch, outcome, after, attempt=job.attempts)


def counts(batch: UUID) -> tuple[int, int, int, int, bool]:
    """Return what a batch's row counts: succeeded, failed, released, fenced, and whether it is open."""
    row = Batch.objects.get(id=batch)
    return row.succeeded, row.failed, row.released, row.fenced, row.finished_at is None
