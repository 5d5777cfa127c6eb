"""Whole cascades in one process: submitted jobs run in batches on models, as a worker runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from jobs.core.failures import Success
from jobs.core.submission.request import JobRequest
from jobs.models import Job
from jobs.services.submission.submit import submit_jobs
from jobs.services.submission.submitted import Submitted
from models_registry.core.runner import Item
from tests.support.cascades import claimed, settled
from tests.support.submit import owner

BATCH = 100


def submitted(model: str, inputs: Sequence[Any]) -> list[UUID]:
    """Submit one job for each input; return their ids, in order."""
    requests = [JobRequest(model=model, input=value) for value in inputs]
    outcomes = submit_jobs(owner=owner(), requests=requests)
    assert all(isinstance(outcome, Submitted) for outcome in outcomes), outcomes
    return [outcome.id for outcome in outcomes if isinstance(outcome, Submitted)]


def run_all(models: Mapping[str, Any], inputs: Mapping[UUID, Any]) -> None:
    """Run queued jobs on the models of their versions, by `name:version`, until none waits."""
    while waiting := list(Job.objects.filter(state="queued").select_related("version__model")[:BATCH]):
        version = waiting[0].version
        jobs = [job for job in waiting if job.version == version]
        batch = claimed(*jobs)
        model = models[str(version)]
        items = [Item(inputs[job.job]) for job in batch.jobs]
        outputs = model.outputs(model.run(model.collate(items)))
        settled(batch, [Success(msgspec.json.encode(output)) for output in outputs])
