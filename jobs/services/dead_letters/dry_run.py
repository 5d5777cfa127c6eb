"""Say what a replay of dead jobs would do; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import msgspec

from jobs.core.errors import JobNotFoundError, PayloadGoneError, PlatformError
from jobs.core.payloads.keyring import Column, Place
from jobs.core.payloads.pointer import files_of
from jobs.db.positional import fetch_all
from jobs.payloads.claim_check import load_plain
from jobs.services.dead_letters import reads as letters
from jobs.services.dead_letters.reads import DeadInput, LetterFilter
from jobs.services.dead_letters.replay_many import chunks
from jobs.services.lifecycle.replay import check_replayable
from models_registry.selectors import info, validate_input

CHECKED_JOBS = 10_000
READ_AT_ONCE = 32  # inputs: each may be as large as a request's body
SHOWN_FAULTS = 20
_STATE: LiteralString = "SELECT state FROM jobs_job WHERE id = %s"


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would be replayed: `invalid` and `overdue` are of the first `checked` jobs.

    Of the inputs that their version's schema refuses now, `faults` tells some; `overdue` counts deadlines
    that have passed and would be dropped. `lasts_s` is from the first to the last job's due time.
    """

    jobs: int
    checked: int
    invalid: int
    overdue: int
    faults: list[tuple[UUID, str]]
    lasts_s: float


def dry_run(
    *, wanted: LetterFilter, rate: float | None = None, most: int, checked: int = CHECKED_JOBS
) -> DryRun:
    """Return what `replay_letters` with these arguments would do now, the inputs of `checked` looked at."""
    jobs = min(letters.count(wanted), most)
    lasts_s = max(jobs - 1, 0) / rate if rate else 0.0
    return _told(jobs, _inputs(wanted, most=min(most, checked)), lasts_s)


def dry_run_one(*, job_id: UUID) -> DryRun:
    """Return what `replay_job` would do now; JobNotFoundError or WrongStateError where it would refuse."""
    states = fetch_all(_STATE, (job_id,))
    if not states:
        raise JobNotFoundError
    check_replayable(states[0][0])
    inputs = list(letters.inputs([job_id]))
    if not inputs:
        raise PayloadGoneError
    return _told(1, inputs, 0.0)


def _told(jobs: int, rows: Iterable[DeadInput], lasts_s: float) -> DryRun:
    faults, overdue, checked = list[tuple[UUID, str]](), 0, 0
    for row in rows:
        checked, overdue = checked + 1, overdue + bool(row.overdue)
        if fault := fault_of(row):
            faults.append((row.job, fault))
    return DryRun(jobs, checked, len(faults), overdue, faults[:SHOWN_FAULTS], lasts_s)


def _inputs(wanted: LetterFilter, *, most: int) -> Iterator[DeadInput]:
    for jobs in chunks(wanted, most=most):
        for start in range(0, len(jobs), READ_AT_ONCE):
            yield from letters.inputs(jobs[start : start + READ_AT_ONCE])


def _asked(row: DeadInput) -> Any:
    return msgspec.json.decode(load_plain(row.body, row.encoding, Place(row.job, Column.INPUT)))


def fault_of(row: DeadInput) -> str:
    """Return why the job's version would not take its input now; nothing where it would."""
    try:
        version, asked = info(row.version), _asked(row)
        if not files_of(row.body):  # what they hold is for the worker to see
            validate_input(version, asked)
    except (PlatformError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return ""
