"""Edit the inputs of many dead jobs alike, by a JSON Patch, and replay them on a version of choice.

The patch sees what an operator sees: tokens stand for personal data, and become the data again only where
they stood. So no `test` can find out a value by guesses, and no `copy` can carry one away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec

from jobs.core.acting.json_edit import JsonEdit
from jobs.core.errors import DatabaseUnusableError, MalformedRequestError, PayloadGoneError, PlatformError
from jobs.core.payloads.keyring import Column
from jobs.services.dead_letters.edit import check_edit, replay_edited
from jobs.services.dead_letters.reads import DeadLetterFilter
from jobs.services.dead_letters.replay_many import chunks, now
from jobs.services.lifecycle.replay import AT_ONCE, ReplayPace
from jobs.services.reads.payloads import show_payload
from models_registry.core.version import VersionInfo
from models_registry.selectors import info

TRIED_S = 20.0  # a dry run ends by then, and says how far it came
SHOWN_FAULTS = 20
KEPT_PATCHES = 100


class GroupEdit(NamedTuple):
    """What is changed of each job: its input by a patch, and the row id of the version that runs it."""

    patch: str = ""
    version: int | None = None

    @property
    def changes(self) -> bool:
        """Return whether it changes anything."""
        return bool(self.patch) or self.version is not None

    @property
    def at(self) -> VersionInfo | None:
        """Return the version; None for each job's own."""
        return None if self.version is None else info(self.version)

    def edited(self, job_id: UUID) -> str:
        """Return a job's input with the patch; PayloadGoneError, MalformedRequestError."""
        payload = show_payload(job_id, Column.INPUT)
        if payload is None:
            raise PayloadGoneError
        if not self.patch:
            return payload.head.decode()
        try:
            value = msgspec.json.decode(payload.head)
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedRequestError(f"The input is not JSON: {error}") from None
        return msgspec.json.encode(_read(self.patch).applied(value)).decode()

    def replay(self, job_id: UUID, *, actor: str, pace: ReplayPace = AT_ONCE) -> None:
        """Replay a job with its edited input; the errors of `replay_edited`."""
        replay_edited(job_id=job_id, actor=actor, text=self.edited(job_id), at=self.at, pace=pace)


UNCHANGED = GroupEdit()
_read = lru_cache(KEPT_PATCHES)(JsonEdit)


@dataclass(frozen=True, slots=True)
class EditTrial:
    """What an edit would do: of `checked` inputs so many are `refused`, with some of the reasons."""

    checked: int
    refused: int
    faults: list[tuple[UUID, str]]
    is_whole: bool


def try_edit(*, selection: DeadLetterFilter, edit: GroupEdit, most: int) -> EditTrial:
    """Apply the edit to every input and check it, changing nothing; MalformedRequestError for the patch."""
    if edit.patch:
        _read(edit.patch)
    until, checked, faults = time.monotonic() + TRIED_S, 0, list[tuple[UUID, str]]()
    for jobs in chunks(replace(selection, until=selection.until or now()), most=most):
        for job in jobs:
            if time.monotonic() > until:
                return EditTrial(checked, len(faults), faults[:SHOWN_FAULTS], is_whole=False)
            checked += 1
            if fault := _fault(job, edit):
                faults.append((job, fault))
    return EditTrial(checked, len(faults), faults[:SHOWN_FAULTS], is_whole=True)


def _fault(job: UUID, edit: GroupEdit) -> str:
    try:
        check_edit(job_id=job, text=edit.edited(job), at=edit.at)
    except PlatformError as error:
        return str(error)
    return ""


def replay_edited_group(
    *,
    selection: DeadLetterFilter,
    edit: GroupEdit,
    actor: str,
    rate: float | None,
    most: int,
    go_on: Callable[[], None] = lambda: None,
) -> tuple[int, int]:
    """Replay the dead jobs that match with edited inputs; return how many, and how many stay dead.

    Each is a transaction, so that one whose input does not fit keeps no other back.
    """
    start, replayed, refused = now(), 0, 0
    gap_s = 1.0 / rate if rate else 0.0
    for jobs in chunks(replace(selection, until=selection.until or start), most=most):
        for job in jobs:
            go_on()
            try:
                edit.replay(job, actor=actor, pace=ReplayPace(start, replayed, gap_s))
            except DatabaseUnusableError:
                raise  # this process has other keys: nothing is wrong with the inputs
            except PlatformError:
                refused += 1
            else:
                replayed += 1
    return replayed, refused
