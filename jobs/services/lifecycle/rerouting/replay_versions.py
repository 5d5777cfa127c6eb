"""The version of a replayed job: its own where the job named it, else what the rule in force decides.

The key of its Route decides, so no input is read, and equal inputs get equal versions as at their
admission. A job of a cascade begins anew, by the rule in force; so does one that had none where the rule
has one now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.cascades.step_ends import CascadeRestart
from jobs.core.errors import PlatformError
from jobs.core.payloads.keyring import Column
from jobs.db.statement import Statement, execute
from jobs.services.reads.payloads import plain_column
from models_registry.core.registry_errors import VersionStateError
from models_registry.core.routing.decision import Arm, Ask, CompiledRule, decide
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.selectors import info, routed_all


class VersionMove(NamedTuple):
    """A job that gets another version than it had."""

    job: UUID
    before: VersionInfo
    to: VersionInfo


class ReplayPlan(NamedTuple):
    """What a replay by the rules in force changes of jobs."""

    moves: list[VersionMove]
    restarts: list[CascadeRestart]


class _RoutedJob(NamedTuple):
    job: UUID
    rule: int
    arm: str
    asked: str
    key: int
    client: str
    priority: int
    models: list[str]
    version: int

    def may_use(self, *versions: VersionInfo) -> bool:
        """Return whether the job's client may use the models of versions; it may use all if it names none."""
        return not self.models or all(version.model in self.models for version in versions)


# Without a rule a circuit's fallback answered: such a job is replayed where it was.
_ROUTED = Statement(
    """
SELECT route.job_id AS job, route.rule, route.arm, route.asked, route.key, client.name AS client,
  job.priority, client.models, job.version_id AS version
FROM jobs_route route JOIN jobs_job job ON job.id = route.job_id
JOIN jobs_client client ON client.id = job.client_id
WHERE route.job_id = ANY(%(jobs)s::uuid[]) AND route.rule IS NOT NULL AND route.key IS NOT NULL
ORDER BY route.job_id
""",
    _RoutedJob,
)
_STATE = Statement(
    """
SELECT version.state FROM jobs_job job
JOIN models_registry_modelversion version ON version.id = job.version_id WHERE job.id = %(job)s
""",
    str,
)


def plan_by_rule(jobs: Sequence[UUID]) -> ReplayPlan:
    """Return those of `jobs` that the rules in force now give another version than they have, or a cascade.

    A job stays where its alias is gone, where the new version takes other inputs or protects them less, and
    where its client may not use the models that would answer it.
    """
    plan = ReplayPlan([], [])
    if rows := execute(_ROUTED, {"jobs": list(jobs)}):
        _decide_all(rows, plan)
    return plan


def check_not_blocked(job: UUID) -> None:
    """Refuse a job whose version is blocked: VersionStateError."""
    if execute(_STATE, {"job": job}) == [VersionState.BLOCKED]:
        raise VersionStateError("The job's version is blocked: replay it without `same_version`.")


def _decide_all(rows: Sequence[_RoutedJob], plan: ReplayPlan) -> None:
    answers = routed_all({row.asked for row in rows})
    for row in rows:
        answer, before = answers[row.asked], info(row.version)
        if isinstance(answer, CompiledRule):
            decision = decide(answer, _ask(answer, row))
            if decision.arm is Arm.CASCADE:
                _restart(plan, row, answer, before)
                continue
            answer = decision.version
        if isinstance(answer, VersionInfo):
            _move(plan, row, answer, before)


def _restart(plan: ReplayPlan, row: _RoutedJob, rule: CompiledRule, before: VersionInfo) -> None:
    """Let a job begin the cascade of a rule, where each step may answer it."""
    is_own = row.arm == Arm.CASCADE and row.rule == rule.id
    if not row.may_use(*rule.steps):
        return
    if is_own or all(_may_answer(step, before) for step in rule.steps):
        plan.restarts.append(CascadeRestart(row.job, rule.id))
        if rule.steps[0].id != before.id:
            plan.moves.append(VersionMove(row.job, before, rule.steps[0]))


def _move(plan: ReplayPlan, row: _RoutedJob, to: VersionInfo, before: VersionInfo) -> None:
    was_in_a_cascade = row.arm == Arm.CASCADE
    if not _may_answer(to, before) or (to.model != before.model and not was_in_a_cascade):
        return
    if to.model != before.model and not row.may_use(to):
        return
    if to.id != before.id:
        plan.moves.append(VersionMove(row.job, before, to))
    if was_in_a_cascade:
        plan.restarts.append(CascadeRestart(row.job, None))


def _may_answer(version: VersionInfo, before: VersionInfo) -> bool:
    # What is encrypted for a job is bound to its model.
    readable = version.model == before.model or not before.secrecy.encrypt
    same_inputs = version.input_schema_text == before.input_schema_text
    return same_inputs and readable and version.secrecy.covers(before.secrecy)


def _ask(rule: CompiledRule, row: _RoutedJob) -> Ask:
    key = row.key.to_bytes(8, signed=True)
    seen = {
        column: _seen(row.job, column) if rule.matches else {}
        for column in (Column.METADATA, Column.PARAMETERS)
    }
    return Ask(key, row.client, row.priority, seen[Column.METADATA], seen[Column.PARAMETERS])


def _seen(job: UUID, column: Column) -> Any:
    """Return what a cohort sees of a job; nothing where this process cannot read it."""
    try:
        body = plain_column(job, column)
    except PlatformError:
        return {}
    return msgspec.json.decode(body) if body else {}
