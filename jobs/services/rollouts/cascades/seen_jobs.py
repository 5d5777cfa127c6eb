"""Reads the steps of a cascade's newest jobs, and the labels of their answers where they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import msgspec

from jobs.core.cascades.cascade_report import CascadeJob, SeenStep
from jobs.core.cascades.plain_label import plain_label
from jobs.core.cascades.step_ends import StepEnd
from jobs.core.errors import PayloadUnreadableError
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import PLAIN, Column
from jobs.core.payloads.stored_output import is_bytes
from jobs.core.trials.label_counts import label_of
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.claim_check import load_plain
from jobs.payloads.job_seal import JobSeal
from models_registry.core.agreement.pointers import part_at

CHUNK = 500


class _StepRow(NamedTuple):
    job: UUID
    rule: int | None
    number: int
    version: str | None
    why: str
    hindrance: str
    confidence: float | None
    device_s: float | None


_STEPS = Statement(
    """
WITH sample AS MATERIALIZED (
  SELECT DISTINCT job_id FROM (
    SELECT job_id FROM jobs_step WHERE rule = %(rule)s AND number = 1 ORDER BY id DESC LIMIT %(most)s
  ) AS newest
)
SELECT s.job_id AS job, s.rule, s.number, model.name || ':' || version.version AS version, s.why, s.hindrance,
  s.confidence, batch.ran_s / NULLIF(batch.size, 0) AS device_s
FROM sample JOIN jobs_step s USING (job_id) JOIN jobs_job job ON job.id = s.job_id
LEFT JOIN models_registry_modelversion version ON version.id = s.version_id
LEFT JOIN models_registry_registeredmodel model ON model.id = version.model_id
LEFT JOIN jobs_batch batch ON batch.id = s.batch_id
WHERE job.finished_at IS NOT NULL ORDER BY s.job_id, s.epoch
""",
    _StepRow,
)


class _Answers(NamedTuple):
    job: UUID
    client: int
    model: int
    first: bytes | None
    first_encoding: str | None
    last: bytes | None
    last_encoding: str | None


# The first answer of a job that ended with it is its result.
_ANSWERS = Statement(
    """
SELECT job.id AS job, job.client_id AS client, version.model_id AS model, step.body AS first,
  step.encoding AS first_encoding, result.body AS last, result.encoding AS last_encoding
FROM jobs_job job JOIN models_registry_modelversion version ON version.id = job.version_id
LEFT JOIN LATERAL (
  SELECT body, encoding FROM jobs_step WHERE job_id = job.id AND number = 1 ORDER BY epoch DESC LIMIT 1
) AS step ON true
LEFT JOIN LATERAL (
  SELECT body, encoding FROM jobs_jobresult WHERE job_id = job.id LIMIT 1
) AS result ON true
WHERE job.id = ANY(%(jobs)s::uuid[])
""",
    _Answers,
)


def seen_jobs(rule: int, *, most: int) -> list[CascadeJob]:
    """Return the newest ended jobs of a rule's cascade, up to `most`, without labels.

    A job that was replayed by another rule is one of that rule: its answers are from there.
    """
    return list(_lives(fetch_all(_STEPS, {"rule": rule, "most": most}), rule))


def labelled_jobs(jobs: Sequence[CascadeJob], truths: Mapping[UUID, str], *, at: str) -> list[CascadeJob]:
    """Return the jobs with their right labels, and those of their answers, which the pointer `at` names.

    Only the answers of jobs with a right label are read, and no encrypted ones.
    """
    ids = [job.job for job in jobs if job.job in truths]
    found = dict[UUID, tuple[str | None, str | None]]()
    for begin in range(0, len(ids), CHUNK):
        rows = fetch_all(_ANSWERS, {"jobs": ids[begin : begin + CHUNK]})
        found |= {row.job: _labels(row, at) for row in rows}
    return [_labelled(job, found.get(job.job), truths.get(job.job)) for job in jobs]


def _lives(rows: Sequence[_StepRow], rule: int) -> Iterator[CascadeJob]:
    """Yield each job with the steps since it last began its cascade, where that is the one of `rule`."""
    for job, group in groupby(rows, key=attrgetter("job")):
        steps, by = list[SeenStep](), None
        for row in group:
            by = row.rule
            if row.number <= 1:
                steps = []
            if row.number:
                steps.append(_step(row))
        if steps and by == rule:
            yield CascadeJob(job, tuple(steps))


def _step(row: _StepRow) -> SeenStep:
    hindered = bool(row.hindrance)
    return SeenStep(row.version or "", StepEnd(row.why), row.confidence, hindered, row.device_s)


def _labelled(job: CascadeJob, found: tuple[str | None, str | None] | None, truth: str | None) -> CascadeJob:
    first, last = (_plain(label) for label in found or (None, None))
    if not job.went_on:
        first = last
    return msgspec.structs.replace(job, first=first, last=last, truth=_plain(truth))


def _plain(label: str | None) -> str | None:
    return None if label is None else plain_label(label)


def _labels(row: _Answers, at: str) -> tuple[str | None, str | None]:
    return _label(row, row.first, row.first_encoding, at), _label(row, row.last, row.last_encoding, at)


def _label(row: _Answers, stored: bytes | None, encoding: str | None, at: str) -> str | None:
    if stored is None or encoding != PLAIN:
        return None
    seal = JobSeal(JobIdentity(row.job, row.client, row.model), None, None, encrypts=False)
    try:
        plain = load_plain(bytes(stored), encoding, seal, Column.RESULT)
    except PayloadUnreadableError:
        return None
    return None if is_bytes(plain) else label_of(part_at(msgspec.json.decode(plain), at))
