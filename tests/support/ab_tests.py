"""An A/B test for tests: a rule with two arms, jobs that it gave to them, and what clients said of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import connection
from django.db.models.functions import Now

from jobs.core.ab_tests.ab_report import AbReport, ArmReport
from jobs.core.ab_tests.feedback_request import FeedbackSaid
from jobs.core.ab_tests.feedback_verdict import StoredFeedback
from jobs.core.errors import PlatformError
from jobs.core.states import State
from jobs.core.submission.request import JobRequest
from jobs.models import Batch, Job, Route
from jobs.services.ab_tests.read_ab_report import read_ab_report
from jobs.services.ab_tests.record_feedback import store_feedback
from jobs.services.submission.submit import submit_jobs
from jobs.services.submission.submitted import Submitted
from models_registry.core.routing.decision import Arm
from models_registry.models import ModelVersion, Rule
from tests.support.factories import make_client, make_jobs, make_worker
from tests.support.rules import rule, two_versions
from tests.support.submit import owner

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


def report(put: Rule, **more: Any) -> AbReport:
    """Return the report of a rule."""
    return read_ab_report(model=put.model, alias=put.alias, number=put.number, **more)


def arms(put: Rule) -> dict[str, ArmReport]:
    """Return the arms of a rule's report by their versions."""
    return {arm.version: arm for arm in report(put).arms}


def run(version: ModelVersion, jobs: list[Job], *, ran_s: float) -> None:
    """Write the row of a batch of these jobs."""
    ids = [job.id for job in jobs]
    beside = type(ids[0])(int=ids[0].int ^ uuid4().int & ((1 << 60) - 1))
    Batch.objects.create(
        id=beside if Batch.objects.filter(id=ids[0]).exists() else ids[0], worker=make_worker(),
        version=version, members=ids, size=len(ids), seal_reason="full", ran_s=ran_s, finished_at=Now(),
    )  # fmt: skip


def send_to_both_arms() -> list[Submitted | PlatformError]:
    """Submit three jobs of each of twenty clients, each a user of its own; return the outcomes."""
    outcomes = list[Submitted | PlatformError]()
    for number in range(20):
        requests = [
            JobRequest(model="echo", input=f"{number}-{n}", metadata={"user": f"u{number}"}) for n in range(3)
        ]
        outcomes += submit_jobs(owner=owner(f"c{number}"), requests=requests)
    return outcomes


def began(put: Rule, ago: timedelta) -> None:
    """Let a rule, which no program can change, have been in force since some time ago."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE models_registry_rule DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE models_registry_rule SET at = now() - make_interval(secs => %s) WHERE id = %s",
            [ago.total_seconds(), put.pk],
        )
        cursor.execute("ALTER TABLE models_registry_rule ENABLE TRIGGER USER")
