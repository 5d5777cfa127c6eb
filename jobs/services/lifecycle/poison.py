"""Poison: a job whose events show that it raised alone at every attempt."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.failures import Failure, FailureKind
from jobs.core.states import Verb
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.settle import Verdict

# Jobs with an attempt since their last replay that failed in any other way.
_CLEARED = Statement(
    """
SELECT DISTINCT event.job_id FROM jobs_event AS event
WHERE event.job_id = ANY(%(jobs)s::uuid[]) AND event.kind = 'failed'
  AND event.detail->>'kind' <> %(internal)s AND event.epoch > COALESCE(
    (SELECT max(replay.epoch) FROM jobs_event AS replay
     WHERE replay.job_id = event.job_id AND replay.kind = %(replay)s), -1)
""",
    UUID,
)


def convict(connection: sa.Connection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts; a suspect's becomes `poison` where its earlier attempts raised alone too."""
    suspects = [verdict.job for verdict in verdicts if verdict.suspect]
    if not suspects:
        return list(verdicts)
    parameters = {"jobs": suspects, "internal": FailureKind.INTERNAL, "replay": Verb.REPLAY}
    cleared = set(run(connection, _CLEARED, parameters))
    return [_poison(v) if v.suspect and v.job not in cleared else v for v in verdicts]


def _poison(verdict: Verdict) -> Verdict:
    if not isinstance(verdict.outcome, Failure):
        return verdict
    outcome = dataclasses.replace(verdict.outcome, kind=FailureKind.POISON)
    return msgspec.structs.replace(verdict, outcome=outcome)
