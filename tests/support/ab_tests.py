"""An A/B test for tests: a rule with two arms, jobs that it gave to them, and what clients said of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.core.ab_tests.feedback_request import FeedbackSaid
from jobs.core.ab_tests.feedback_verdict import StoredFeedback
from jobs.core.errors import PlatformError
from jobs.core.states import State
from jobs.models import Job, Route
from jobs.services.ab_tests.record_feedback import store_feedback
from models_registry.core.routing.decision import Arm
from models_registry.models import ModelVersion, Rule
from tests.support.factories import make_client, make_jobs
from tests.support.rules import rule, two_versions

HALVES = [{"version": "1", "share": 0.5}, {"version": "2", "share": 0.5}]


def ab_rule(model: str = "echo", **fields: Any) -> Rule:
    """Put a rule with two arms of one half each in force; the stable version is one of them."""
    two_versions(model)
    return rule(model, **({"candidate": None, "share": 0.0, "arms": HALVES} | fields))


def expose(put: Rule, version: ModelVersion, keys: Iterable[int], **fields: Any) -> list[Job]:
    """Return ended jobs of an arm, one for each of `keys`."""
    drawn = list(keys)
    ended = {"state": State.SUCCEEDED} | fields
    jobs = make_jobs(len(drawn), version=version, model=put.model, **ended)
    Route.objects.bulk_create(
        Route(job=job, rule=put.pk, version=version.pk, arm=Arm.AB, key=key, counted=False, asked=put.model)
        for job, key in zip(jobs, drawn, strict=True)
    )
    return jobs


def say(jobs: Sequence[Job], values: Sequence[float | str], name: str = "liked") -> list[StoredFeedback]:
    """Give feedback on jobs of the client `tests`."""
    said = [
        FeedbackSaid(job.id, name, label=value)
        if isinstance(value, str)
        else FeedbackSaid(job.id, name, value=float(value))
        for job, value in zip(jobs, values, strict=True)
    ]
    outcomes = store_feedback(client=make_client().id, items=said)
    return [refuse(outcome) for outcome in outcomes]


def refuse(outcome: StoredFeedback | PlatformError) -> StoredFeedback:
    """Return what was stored; raise what was refused."""
    if isinstance(outcome, PlatformError):
        raise outcome
    return outcome
