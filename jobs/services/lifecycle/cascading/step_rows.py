"""The rows of steps: where claimed jobs are in their cascades, and what is written when a step ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.cascades.step_ends import CascadeState, StepVerdict
from jobs.core.failures import Success
from jobs.db.statement import Statement, run
from models_registry.core.routing.cascade_plan import Plan, plan_from


class _Place(NamedTuple):
    job: UUID
    rule: int | None
    number: int
    degrades: bool


# A replay's row, with the number 0, says by which rule the job goes from then on.
_PLACES = Statement(
    """
SELECT route.job_id AS job, COALESCE(last.degrades, false) AS degrades, COALESCE(last.number, 0) AS number,
  CASE WHEN last.job_id IS NOT NULL THEN last.rule WHEN route.arm = 'cascade' THEN route.rule END AS rule
FROM jobs_route route LEFT JOIN LATERAL (
  SELECT job_id, rule, number, degrades FROM jobs_step
  WHERE job_id = route.job_id ORDER BY epoch DESC LIMIT 1
) AS last ON true
WHERE route.job_id = ANY(%(jobs)b::uuid[])
""",
    _Place,
)


class _RulePlan(NamedTuple):
    id: int
    steps: Any


_PLANS = Statement(
    "SELECT id, steps FROM models_registry_rule WHERE id = ANY(%(rules)s::bigint[]) AND steps IS NOT NULL",
    _RulePlan,
)
_INSERT = Statement("""
INSERT INTO jobs_step (job_id, epoch, number, rule, version_id, batch_id, why, hindrance, confidence,
  degrades, body, encoding, expires_at)
SELECT job.id, step.epoch, step.number, step.rule, %(version)s, %(batch)s, step.why, step.hindrance,
  step.confidence, step.degrades, step.body, COALESCE(step.encoding, 'identity'),
  CASE WHEN step.body IS NOT NULL THEN now() + make_interval(days => job.keep_days) END
FROM unnest(%(jobs)b::uuid[], %(epochs)b::int[], %(numbers)b::smallint[], %(rules)b::bigint[],
            %(whys)b::text[], %(hindrances)b::text[], %(confidences)b::float8[], %(degrades)b::bool[],
            %(bodies)b::bytea[], %(encodings)b::text[])
  AS step(id, epoch, number, rule, why, hindrance, confidence, degrades, body, encoding)
JOIN jobs_job job USING (id)
ON CONFLICT (job_id, epoch) DO NOTHING
""")


class EndedStep(NamedTuple):
    """A step that ended under the claim `epoch`; `body` is its answer as stored, where it is kept."""

    job: UUID
    epoch: int
    verdict: StepVerdict
    body: Success | None = None


class CascadePlans:
    """The plans of rules, which never change; used by the claim stage's thread alone."""

    def __init__(self) -> None:
        """Know none yet."""
        self._plans: dict[int, Plan] = {}

    def states(
        self, connection: sa.Connection, jobs: Sequence[UUID], version: int
    ) -> dict[UUID, CascadeState]:
        """Return where jobs are that are about to be claimed for `version`.

        One whose rule has no cascade any more, or none with this version, is left out: its answer is final.
        """
        places = [place for place in run(connection, _PLACES, {"jobs": list(jobs)}) if place.rule is not None]
        self._read(connection, {place.rule for place in places if place.rule is not None})
        found = ((place.job, self._state(place, version)) for place in places)
        return {job: state for job, state in found if state is not None}

    def _read(self, connection: sa.Connection, rules: Iterable[int]) -> None:
        if unread := [rule for rule in rules if rule not in self._plans]:
            rows = {row.id: plan_from(row.steps) for row in run(connection, _PLANS, {"rules": unread})}
            self._plans |= {rule: rows.get(rule, ()) for rule in unread}

    def _state(self, place: _Place, version: int) -> CascadeState | None:
        plan = self._plans[place.rule or 0]
        at = next((at for at, step in enumerate(plan) if step.id == version), None)
        if at is None or place.rule is None:
            return None
        return CascadeState(place.rule, plan, at, place.number, degrades=place.degrades)


def insert_steps(connection: sa.Connection, steps: Sequence[EndedStep], *, batch: UUID, version: int) -> None:
    """Write the rows of steps that ended in `batch`, in the transaction that settles it."""
    if steps:
        run(connection, _INSERT, _arrays(steps) | {"batch": batch, "version": version})


def _arrays(steps: Sequence[EndedStep]) -> dict[str, Any]:
    verdicts = [step.verdict for step in steps]
    return {
        "jobs": [step.job for step in steps],
        "epochs": [step.epoch for step in steps],
        "numbers": [verdict.number for verdict in verdicts],
        "rules": [verdict.rule for verdict in verdicts],
        "whys": [verdict.why.value for verdict in verdicts],
        "hindrances": [verdict.hindrance.value if verdict.hindrance else "" for verdict in verdicts],
        "confidences": [verdict.confidence for verdict in verdicts],
        "degrades": [verdict.degrades for verdict in verdicts],
        "bodies": [step.body.body if step.body else None for step in steps],
        "encodings": [step.body.encoding if step.body else None for step in steps],
    }
