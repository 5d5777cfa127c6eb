"""A worker's trials in the test's own thread, and stored jobs for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from django.utils import timezone

from jobs.core.states import State
from jobs.models import Batch, Client, Job, JobInput
from jobs.models.rollouts.version_trial import Trial
from jobs.worker.loading.model_loader import ModelLoader
from jobs.worker.trials.trial_desk import BesideBatches, TrialPlace
from jobs.worker.trials.trial_runner import TrialRunner
from jobs.worker.trials.turn import Turn
from models_registry.models import ModelVersion
from models_registry.pool import ModelPool
from tests.support.factories import job_id, make_client, make_worker


class TrialWorker:
    """A worker's row, pool and loader, whose trials run when a test says so."""

    def __init__(
        self,
        *models: str,
        entry_points: Iterable[str] = (),
        node: str = "gpu-0@tests",
        quiet: Callable[[], bool] = lambda: True,
    ) -> None:
        self.row, self.models = make_worker(node, model_names=list(models)), models
        self.pool = ModelPool("cpu", entry_points=entry_points)
        self.loader = ModelLoader(self.pool, limit_s=lambda _: 60.0)
        self.loader.start()
        self.stopping, self.broken, self.beside = Event(), list[str](), BesideBatches()
        place = TrialPlace(
            self.row.id, node, self.loader, Turn(quiet), self.beside, stopping=self.stopping.is_set
        )
        self.runner = TrialRunner(place, lambda: models, stop=Event(), broken=self.broken.append)

    def run(self, session: sa.Connection, trial: int) -> Trial:
        """Take one trial, run it, and return its row."""
        self.runner.step(session, ())
        return Trial.objects.get(pk=trial)


def stored_jobs(
    version: ModelVersion,
    bodies: Sequence[Any],
    *,
    state: State = State.SUCCEEDED,
    client: Client | None = None,
) -> list[Job]:
    """Return ended jobs with these inputs."""
    owner, ended = client or make_client(), timezone.now()
    jobs = [
        Job(
            id=job_id(), client=owner, version=version, model=version.model.name, priority=4, state=state,
            max_attempts=3, epoch=1, attempts=1, finished_at=ended,
        )
        for _ in bodies
    ]  # fmt: skip
    Job.objects.bulk_create(jobs)
    pairs = zip(jobs, bodies, strict=True)
    JobInput.objects.bulk_create([JobInput(job=job, body=json.dumps(body).encode()) for job, body in pairs])
    return jobs


def recorded(version: ModelVersion, jobs: Sequence[Job], *, size: int) -> list[Batch]:
    """Return finished batches of these jobs, in order."""
    worker = make_worker(f"gpu-{uuid4()}@tests")
    parts = [jobs[at : at + size] for at in range(0, len(jobs), size)]
    return [_batch(worker.id, version, [job.id for job in part]) for part in parts]


def _batch(worker: UUID, version: ModelVersion, members: list[UUID]) -> Batch:
    return Batch.objects.create(
        id=job_id(), worker_id=worker, version=version, members=members, size=len(members),
        seal_reason="full", finished_at=timezone.now(),
    )  # fmt: skip
