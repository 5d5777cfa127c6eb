"""Poison: a job that raised alone at every attempt it had, as its events say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from jobs.core.failures import Failure, FailureKind
from jobs.core.states import Verb
from jobs.services.lifecycle.settle import Verdict

_OTHERWISE = sa.text("""
SELECT DISTINCT event.job_id FROM jobs_event AS event
WHERE event.job_id = ANY(CAST(:jobs AS uuid[])) AND event.kind = 'failed'
  AND event.detail->>'kind' <> :internal AND event.epoch > COALESCE(
    (SELECT max(replay.epoch) FROM jobs_event AS replay
     WHERE replay.job_id = event.job_id AND replay.kind = :replay), -1)
""")


def convict(connection: sa.Connection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts, those on suspects whose other attempts raised alone too being `poison`."""
    suspects = [verdict.job for verdict in verdicts if verdict.suspect]
    if not suspects:
        return list(verdicts)
    values = {"jobs": suspects, "internal": FailureKind.INTERNAL.value, "replay": Verb.REPLAY.value}
    cleared = set(connection.execute(_OTHERWISE, values).scalars())
    return [_poison(v) if v.suspect and v.job not in cleared else v for v in verdicts]


def _poison(verdict: Verdict) -> Verdict:
    if not isinstance(verdict.outcome, Failure):
        return verdict
    return dataclasses.replace(verdict, outcome=dataclasses.replace(verdict.outcome, kind=FailureKind.POISON))
