"""Reads what ended within one second, and remembers which batches were open then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from jobs.core.admission.queue_survey import LONGEST_BATCH_S
from jobs.core.ids import first_id_at
from jobs.core.operations.recent_jobs import EndedJobs, JobTally
from jobs.core.operations.spread import Spread, bucket_of
from jobs.core.stages import Stage
from jobs.db.statement import Session, run
from jobs.services.operations import ended_statements
from jobs.services.operations.ended_statements import SAMPLED, LedgerBatch

SLACK_S = 5  # a claim is visible so many seconds after its batch's id was made, at the latest
TOTAL = "total"


class EndedReads:
    """The seconds of one session, read in their order."""

    def __init__(self) -> None:
        """Begin without an open batch."""
        self._open: list[UUID] | None = None

    def read(self, session: Session, second: int) -> EndedJobs:
        """Return what ended within `second`, in seconds since 1970."""
        before_s = LONGEST_BATCH_S if self._open is None else SLACK_S
        values = {
            "since": second,
            "until": second + 1,
            "first": first_id_at(int((second - before_s) * 1_000)),
            "open": self._open or [],
        }
        rows = run(session, ended_statements.BATCHES, values)
        self._open = [row.id for row in rows if row.is_open]
        ended = [row for row in rows if not row.is_open]
        jobs = EndedJobs()
        _count_batches(jobs, ended)
        _count_members(session, jobs, [row for row in ended if row.succeeded])
        _count_deaths(session, jobs, [row for row in ended if row.failed])
        return jobs


def _count_batches(jobs: EndedJobs, ended: Iterable[LedgerBatch]) -> None:
    for row in ended:
        model = _model(jobs, row.model)
        model.batches += 1
        model.batch_jobs += row.size
        model.padded += row.padded_size or 0
        model.seals[row.seal_reason] += 1
        model.succeeded += row.succeeded
        jobs.workers.setdefault(str(row.worker), JobTally()).succeeded += row.succeeded
        stages = {
            Stage.CLAIM: row.claim_s,
            Stage.LANE: row.lane_s,
            Stage.RUN: row.run_s,
            Stage.SETTLE: row.settle_s,
        }
        for stage, seconds in stages.items():
            if row.succeeded and seconds is not None:
                _stage(model, stage)[bucket_of(seconds)] += row.succeeded


def _count_members(session: Session, jobs: EndedJobs, ended: Sequence[LedgerBatch]) -> None:
    if not ended:
        return
    values = _members(ended)
    for row in run(session, ended_statements.WAITS, values):
        model = _model(jobs, row.model)
        if row.stage == TOTAL:
            model.total[row.bucket] += row.jobs
            jobs.workers[str(row.worker)].total[row.bucket] += row.jobs
        else:
            _stage(model, row.stage)[row.bucket] += row.jobs
    every = -(-sum(row.size for row in ended) // SAMPLED)
    padded = {row.model for row in ended if row.padded_size is not None}
    for job in run(session, ended_statements.SAMPLE, {**values, "every": every}):
        client = jobs.clients.setdefault(job.client, JobTally())
        client.succeeded += every
        client.total[bucket_of(job.total_s)] += every
        if job.model in padded:
            _model(jobs, job.model).items += job.size * every


def _count_deaths(session: Session, jobs: EndedJobs, ended: Sequence[LedgerBatch]) -> None:
    if not ended:
        return
    for row in ended:
        _model(jobs, row.model).retries += row.failed
    for dead in run(session, ended_statements.DEATHS, _members(ended)):
        model = _model(jobs, dead.model)
        model.died += dead.died
        model.retries -= dead.died


def _members(ended: Sequence[LedgerBatch]) -> dict[str, Any]:
    return {
        "ids": [row.id for row in ended],
        "models": [row.model for row in ended],
        "mixed": [row.succeeded < row.size for row in ended],
    }


def _model(jobs: EndedJobs, name: str) -> JobTally:
    return jobs.models.setdefault(name, JobTally())


def _stage(tally: JobTally, stage: str) -> Spread:
    return tally.stages.setdefault(str(stage), Spread())
