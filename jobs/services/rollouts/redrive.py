"""Redrive: what a rolled-back candidate buried is replayed, by the rule that is in force now.

With rescue a candidate buries nothing; without it, or where the stable version was not tried, dead jobs stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.ids import first_id_at
from jobs.core.states import State
from jobs.db.notify import wake_relay
from jobs.db.statement import Statement, fetch_all
from jobs.services.access.audit import note
from jobs.services.dead_letters.lock_dead import lock_dead
from jobs.services.dead_letters.reads import FIRST_ID
from jobs.services.lifecycle.replay import requeue, with_input
from models_registry.core.registry_errors import RolloutNotFoundError, RolloutStateError
from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.models import Rollout

CHUNK_JOBS = 500
_ENDED = (RolloutState.ROLLED_BACK, RolloutState.CANCELLED)


class Redriven(NamedTuple):
    """How many dead jobs of a roll-out's candidate there are, and how many of them were replayed."""

    dead: int
    replayed: int


# Jobs are at least as young as their roll-out, and ids begin with their time: older ones are not read.
_DEAD = Statement(
    """
SELECT job.id FROM jobs_deadletter letter
JOIN jobs_job job ON job.id = letter.job_id JOIN jobs_route route ON route.job_id = job.id
WHERE letter.job_id > %(after)s AND letter.queue = %(model)s AND letter.discarded_at IS NULL
  AND job.state = %(dead)s AND job.version_id = %(candidate)s AND route.rollout = %(rollout)s
ORDER BY job.id LIMIT %(most)s
""",
    UUID,
)


def redrive(rollout_id: int, *, actor: str, reason: str = "", dry_run: bool = True) -> Redriven:
    """Replay the dead jobs of a candidate that was rolled back or cancelled; with `dry_run` only count them.

    RolloutNotFoundError; RolloutStateError while the roll-out goes on.
    """
    rollout = Rollout.objects.select_related("model").filter(pk=rollout_id).first()
    if rollout is None:
        raise RolloutNotFoundError(f"There is no roll-out {rollout_id}.")
    if rollout.state not in _ENDED:
        raise RolloutStateError(
            f"Roll-out {rollout_id} is {rollout.state}: only one that was given up is redriven."
        )
    dead = replayed = 0
    for jobs in _chunks(rollout):
        dead += len(jobs)
        if not dry_run:
            replayed += _replay(jobs, actor=actor)
    if not dry_run:
        why: dict[str, Any] = {"reason": reason} if reason else {}
        found: dict[str, Any] = {"dead": dead, "replayed": replayed}
        note(AuditKind.ROLLOUT, actor=actor, rollout=rollout_id, act="redrive", **found, **why)
        wake_relay(rollout.model.name)
    return Redriven(dead, replayed)


def _replay(jobs: list[UUID], *, actor: str) -> int:
    with transaction.atomic():
        there = with_input(lock_dead(jobs))
        if there:
            requeue(there, actor=actor)
        return len(there)


def _chunks(rollout: Rollout) -> Iterator[list[UUID]]:
    began = first_id_at(int(rollout.created_at.timestamp() * 1_000) - 60_000)  # hosts' clocks differ
    after = max(FIRST_ID, began)
    names = {
        "model": rollout.model.name, "candidate": rollout.candidate_id, "rollout": rollout.pk,
        "dead": State.DEAD.value, "most": CHUNK_JOBS,
    }  # fmt: skip
    while jobs := fetch_all(_DEAD, {"after": after, **names}):
        yield jobs
        after = jobs[-1]
