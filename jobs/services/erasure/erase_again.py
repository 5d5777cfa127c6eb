"""Erase again, in a database that was restored, what was erased after the moment of its backup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import JobNotFoundError
from jobs.services.erasure.erase_job import erase_job


@dataclass(slots=True)
class ErasedAgain:
    """Jobs that were erased now, that already were, and that the database does not know."""

    erased: int = 0
    before: int = 0
    unknown: int = 0


class NotAnExportError(Exception):
    """A file without a line of an export of the audit."""


class _ErasureEvent(msgspec.Struct):
    kind: str
    job_id: UUID | None = None


class _ExportLine(msgspec.Struct):
    event: _ErasureEvent | None = None
    seal: msgspec.Raw | None = None


_LINE = msgspec.json.Decoder(_ExportLine)


def erase_again(export: Path, *, actor: str) -> ErasedAgain:
    """Erase each job that a copy of the audit (`AUDIT_EXPORT`) says was erased; safe to repeat.

    OSError, or NotAnExportError, where the file cannot be read, or is another one: then nothing is erased.
    """
    again = ErasedAgain()
    for job in dict.fromkeys(_erased_jobs(export)):
        try:
            if erase_job(job_id=job, actor=actor):
                again.erased += 1
            else:
                again.before += 1
        except JobNotFoundError:
            again.unknown += 1
    return again


def _erased_jobs(export: Path) -> Iterator[UUID]:
    known = False
    with export.open("rb") as file:
        for line in file:
            try:
                entry = _LINE.decode(line)
            except msgspec.DecodeError:  # a line that a killed process left unfinished; it comes once more
                continue
            event, known = entry.event, known or bool(entry.event or entry.seal)
            if event is not None and event.kind == AuditKind.ERASE and event.job_id is not None:
                yield event.job_id
    if not known:
        raise NotAnExportError(f"{export} has no line of an export of the audit, so nothing was erased")
