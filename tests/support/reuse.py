"""A version whose identical requests share runs, and a worker that runs what is due."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.retry.policy import Bury
from jobs.core.submission.request import JobRequest
from jobs.db.session import transaction
from jobs.models import Follower, Job
from jobs.services.access.owner import Owner
from jobs.services.lifecycle.claim import BatchRow, claim
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.relay import statements as feed
from jobs.services.submission.submit import submit_job
from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.support.factories import make_client, make_version, make_worker

MODEL = "cached"
ANSWER = Success(b'{"answer":42}')
BAD = Failure(FailureKind.INVALID, "bad", "this one never succeeds")


def shared_version(version: str = "1", **options: Any) -> ModelVersion:
    """Return the version of MODEL, with a cache of a minute unless options say otherwise."""
    selectors.forget()
    return make_version(MODEL, version, options=options or {"cache_ttl_s": 60})


def owner(name: str = "tests") -> Owner:
    return Owner(make_client(name).id, name, 0, frozenset({"submit"}))


def submit(value: Any = None, **fields: Any) -> Submitted:
    """Submit one job of MODEL, the same one each time unless told otherwise."""
    return submit_job(owner=owner(), request=JobRequest(model=MODEL, input=value or {"text": "a"}, **fields))


def start(session: sa.Connection, queue: str = MODEL) -> tuple[UUID, dict[UUID, int]]:
    """Claim all that is due; return the batch, and the epochs of the jobs that run now."""
    rooms = dict.fromkeys(range(10), 1_000)
    envelopes = [row.envelope for row in feed.take_fresh(session, queue, rooms=rooms, most=1_000)]
    batch = BatchRow(uuid4(), make_worker().id, make_version(queue).id, 0, "test", 0.0)
    with transaction(session):
        claimed = claim(session, batch=batch, envelopes=envelopes)
    return batch.id, {each.job: each.epoch for each in claimed}


def run(
    session: sa.Connection, outcome: Outcome = ANSWER, *, reason: str = "", queue: str = MODEL
) -> list[UUID]:
    """Run all that is due to one outcome and return which jobs ran."""
    batch, epochs = start(session, queue)
    after = None if isinstance(outcome, Success) else Bury(reason)
    verdicts = [Verdict(job, epoch, outcome, after) for job, epoch in epochs.items()]
    with transaction(session):
        settle(session, batch=batch, verdicts=verdicts, ran_s=0.0)
    return list(epochs)


def states(*jobs: Submitted) -> list[str]:
    """Return the jobs' states, in order."""
    known = dict(Job.objects.filter(id__in=[job.id for job in jobs]).values_list("id", "state"))
    return [known[job.id] for job in jobs]


def followed() -> dict[UUID, UUID]:
    """Return every follower's leader."""
    return dict(Follower.objects.values_list("job_id", "leader"))
