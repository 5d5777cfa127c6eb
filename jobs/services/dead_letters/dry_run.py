"""Foresee what a replay of dead jobs would do, without changing anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from jobs.core.errors import JobNotFoundError, PayloadGoneError, PlatformError
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import Column
from jobs.core.payloads.pointer import files_of
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.claim_check import load_plain
from jobs.payloads.job_seal import JobSeal
from jobs.services.dead_letters import reads as dead_letters
from jobs.services.dead_letters.reads import DeadInput, DeadLetterFilter
from jobs.services.dead_letters.replay_many import chunks
from jobs.services.lifecycle.replay import check_replayable
from models_registry.selectors import info, validate_input

CHECKED_JOBS = 10_000
READ_AT_ONCE = 32  # inputs: each may be as large as a request's body
SHOWN_FAULTS = 20
_STATE = Statement("SELECT state FROM jobs_job WHERE id = %(job)s", str)


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a replay would do: of the first `checked` jobs, how many are `invalid` and how many `overdue`.

    Invalid inputs are those that their version's schema refuses now; `faults` holds some of the reasons. The
    deadlines of overdue jobs have passed and would be dropped. The last job would be due `lasts_s` seconds
    after the first.
    """

    jobs: int
    checked: int
    invalid: int
    overdue: int
    faults: list[tuple[UUID, str]]
    lasts_s: float


def dry_run(
    *, selection: DeadLetterFilter, rate: float | None = None, most: int, checked: int = CHECKED_JOBS
) -> DryRun:
    """Return what `replay_letters` with these arguments would do now; it validates `checked` inputs."""
    jobs = min(dead_letters.count(selection), most)
    lasts_s = max(jobs - 1, 0) / rate if rate else 0.0
    return _judged(jobs, _inputs(selection, most=min(most, checked)), lasts_s)


def dry_run_one(*, job_id: UUID) -> DryRun:
    """Return what `replay_job` would do now; JobNotFoundError or WrongStateError where it would refuse."""
    states = fetch_all(_STATE, {"job": job_id})
    if not states:
        raise JobNotFoundError
    check_replayable(states[0])
    inputs = list(dead_letters.inputs([job_id]))
    if not inputs:
        raise PayloadGoneError
    return _judged(1, inputs, 0.0)


def _judged(jobs: int, rows: Iterable[DeadInput], lasts_s: float) -> DryRun:
    faults, overdue, checked = list[tuple[UUID, str]](), 0, 0
    for row in rows:
        checked, overdue = checked + 1, overdue + bool(row.overdue)
        if fault := fault_of(row):
            faults.append((row.job, fault))
    return DryRun(jobs, checked, len(faults), overdue, faults[:SHOWN_FAULTS], lasts_s)


def _inputs(selection: DeadLetterFilter, *, most: int) -> Iterator[DeadInput]:
    for jobs in chunks(selection, most=most):
        for start in range(0, len(jobs), READ_AT_ONCE):
            yield from dead_letters.inputs(jobs[start : start + READ_AT_ONCE])


def _decoded(row: DeadInput) -> Any:
    version = info(row.version)
    identity = JobIdentity(row.job, row.client, version.model_id)
    seal = JobSeal(identity, row.wrapped, None, encrypts=version.secrecy.encrypt)
    return msgspec.json.decode(load_plain(row.body, row.encoding, seal, Column.INPUT))


def fault_of(row: DeadInput) -> str:
    """Return why the job's version refuses its input now; empty where it accepts it."""
    try:
        version, value = info(row.version), _decoded(row)
        if not files_of(row.body):  # an input with files is validated by the worker, which reads them
            validate_input(version, value)
    except (PlatformError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return ""
