"""The generation of a model's cached results: raising it makes all of them void, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from types import MappingProxyType
from typing import NamedTuple

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.submission.parsed_job import ParsedJob, Version
from jobs.db.statement import Statement, execute, fetch_all
from jobs.services.access.audit import note

REMEMBERED_S = 1.0
NOTHING: Mapping[int, int] = MappingProxyType({})


class _GenerationRow(NamedTuple):
    model: int
    generation: int


_READ = Statement("SELECT model_id AS model, generation FROM jobs_cachegeneration", _GenerationRow)
_RAISE = Statement(
    """
INSERT INTO jobs_cachegeneration (model_id) VALUES (%(model)s)
ON CONFLICT (model_id) DO UPDATE SET generation = jobs_cachegeneration.generation + 1, at = now()
RETURNING generation
""",
    int,
)


class _Remembered:
    """What this process read last; it is replaced as a whole, so threads need no lock."""

    rows: Mapping[int, int] = NOTHING
    read_at = float("-inf")


def generation_for(version: Version) -> int:
    """Return the cache generation of a version's model, at most a second old; 0 where it shares nothing."""
    return _rows().get(version.model_id, 0) if version.platform_options.shares_runs else 0


def generation_of(job: ParsedJob) -> int:
    """Return the cache generation of a job's model; in a cascade the sum of those of its steps' models.

    Generations only grow, so a purge of any of the models makes a sum that has not been before. A job that
    bypasses the cache takes no result of any generation, so for it this reads nothing: 0.
    """
    if job.cache == "bypass":
        return 0
    cascade = job.route.kind.sharing if job.route is not None else None
    if cascade is None:
        return generation_for(job.version)
    return sum(_rows().get(model, 0) for model in cascade.models) if cascade.shares_runs else 0


def _rows() -> Mapping[int, int]:
    """Return the generations by model, at most a second old."""
    now = monotonic()
    if now - _Remembered.read_at >= REMEMBERED_S:
        _Remembered.rows = {row.model: row.generation for row in fetch_all(_READ)}
        _Remembered.read_at = now
    return _Remembered.rows


def forget_generations() -> None:
    """Read them again at the next job."""
    _Remembered.read_at = float("-inf")


@transaction.atomic
def purge_cache(model_id: int, *, model: str, actor: str, reason: str = "") -> int:
    """Let no result that was stored before answer a job of the model, within a second; return the generation.

    It takes one row, however many entries there are: those of older generations are never found again, and go
    when their time is over.
    """
    (generation,) = execute(_RAISE, {"model": model_id})
    note(AuditKind.PURGE_CACHE, actor=actor, model=model, generation=generation, reason=reason)
    forget_generations()
    return generation
