"""Rows of roll-outs for tests, and looks of the judge without a loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from jobs.core.states import State
from jobs.models import Job, Route, Tally
from jobs.services.rollouts.look import Looks
from jobs.services.rollouts.start import start_rollout
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.routing.decision import Arm
from models_registry.models import ModelVersion, Rollout
from tests.support.factories import make_jobs, make_version

QUICK = {"quick": True, "step_s": 0, "steps": [10, 50, 100], "bake_s": 600, "duels": 0, "baseline": False}
_keys = count(1)


class Outcome(NamedTuple):
    passed: bool = True
    sentence: str = "The gate of a test."


class Trials:
    """A gate and duels with the results that a test chose."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = Outcome()
        self.duels = DuelEvidence()
        self.begun: list[str] = []

    def begin_gate(self, rollout: Rollout) -> None:
        self.begun.append(f"gate {rollout.pk}")

    def gate_result(self, rollout: Rollout) -> Outcome | None:
        assert rollout.pk
        return self.outcome

    def begin_duels(self, rollout: Rollout, *, pairs: int | None = None) -> None:
        self.begun.append(f"duels {rollout.pk} {pairs}")

    def duel_evidence(self, rollout: Rollout) -> DuelEvidence:
        assert rollout.pk
        return self.duels


class Judged:
    """A roll-out of echo:2, which a test lets the judge look at."""

    def __init__(self, *, alias: str = "default", **plan: Any) -> None:
        self.stable, self.candidate = make_version("echo", "1"), make_version("echo", "2")
        self.trials = Trials()
        self.looks = Looks(self.trials)
        self.id = start_rollout(
            model="echo", alias=alias, candidate="2", plan={**QUICK, **plan}, actor="olga", reason="faster"
        ).pk

    @property
    def row(self) -> Rollout:
        return Rollout.objects.select_related("model", "stable", "candidate").get(pk=self.id)

    @property
    def plan(self) -> Plan:
        return Plan.of(self.row.plan)

    def look(self, times: int = 1) -> Rollout:
        for _ in range(times):
            with transaction.atomic():
                self.looks.look(self.id)
        return self.row

    def running(self) -> Rollout:
        """Let it pass its gate."""
        row = self.look(2)
        assert row.state == "running", row.sentence
        return row

    def pass_by(self, seconds: float) -> None:
        """Let its state and its step begin earlier by so much."""
        earlier = timedelta(seconds=seconds)
        Rollout.objects.filter(pk=self.id).update(
            step_since=Now() - earlier, state_since=Now() - earlier, created_at=Now() - earlier
        )

    def tally(self, arm: Arm, seen: int, *, failed: int = 0, refused: int = 0, **fields: Any) -> list[int]:
        """Store what a batch of `arm` showed, and return its keys, none of which was seen before."""
        keys = [next(_keys) for _ in range(seen)]
        columns = {"failed": keys[:failed], "refused": keys[failed : failed + refused], **fields}
        Tally.objects.create(rollout=self.id, arm=arm, keys=keys, **columns)
        return keys

    def good(self, seen: int = 3_000) -> None:
        """Store that the candidate fails as little as the stable version."""
        self.tally(Arm.CANDIDATE, seen)
        self.tally(Arm.STABLE, 5 * seen)

    def bad(self, failed: int = 40) -> None:
        """Store that the candidate fails always."""
        self.tally(Arm.CANDIDATE, failed, failed=failed)
        self.tally(Arm.STABLE, 10 * failed)

    def jobs(self, number: int, *, version: ModelVersion | None = None, **fields: Any) -> list[Job]:
        """Return jobs that were routed to the candidate."""
        made = make_jobs(number, version=version or self.candidate, **fields)
        self.route(made)
        return made

    def route(self, jobs: Iterable[Job], arm: Arm = Arm.CANDIDATE) -> None:
        rule = self.row.rule or 1
        Route.objects.bulk_create(
            Route(job=job, rollout=self.id, rule=rule, arm=arm, key=next(_keys), counted=True, asked="echo")
            for job in jobs
        )


def versions_of(jobs: Iterable[Job]) -> set[int]:
    """Return the versions that jobs have now."""
    return set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("version_id", flat=True))


def queued(jobs: Iterable[Job]) -> bool:
    return set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True)) == {
        State.QUEUED.value
    }
