"""Say what a replay of many dead jobs would do; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from uuid import UUID

import msgspec

from jobs.core.errors import PlatformError
from jobs.selectors import letters
from jobs.selectors.letters import DeadInput, LetterFilter
from jobs.services.dead_letter_replay import chunks
from models_registry.selectors import info, validate_input

CHECKED_JOBS = 10_000
SHOWN_FAULTS = 20


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


def dry_run(*, wanted: LetterFilter, rate: float | None = None, most: int) -> DryRun:
    """Return what `replay_letters` with these arguments would do now."""
    jobs = min(letters.count(wanted), most)
    rows = chain.from_iterable(map(letters.inputs, chunks(wanted, most=min(most, CHECKED_JOBS))))
    faults, overdue, checked = [], 0, 0
    for row in rows:
        checked, overdue = checked + 1, overdue + bool(row.overdue)
        if fault := fault_of(row):
            faults.append((row.job, fault))
    lasts_s = max(jobs - 1, 0) / rate if rate else 0.0
    return DryRun(jobs, checked, len(faults), overdue, faults[:SHOWN_FAULTS], lasts_s)


def fault_of(row: DeadInput) -> str:
    """Return why the job's version would not take its input now; nothing where it would."""
    try:
        validate_input(info(row.version), msgspec.json.decode(row.body))
    except (PlatformError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return ""
