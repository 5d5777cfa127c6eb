"""What a worker claims with: the words of a genuine message about a job, and a batch's row."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec

from jobs.core.messages.envelope import Envelope
from jobs.models import Job
from jobs.services.lifecycle.claim import BatchRow
from models_registry.models import ModelVersion
from tests.support.factories import make_version, make_worker


def envelope_of(job: Job, **changes: Any) -> Envelope:
    """Return what the relay's message says of a job, but for `changes`."""
    envelope = Envelope(job.id, job.epoch, job.version_id, job.priority, job.size, job.client_id)
    return msgspec.structs.replace(envelope, **changes)


def batch_row(
    version: ModelVersion | None = None, worker: UUID | None = None, *, isolation_group: int = 0
) -> BatchRow:
    """Return the row of a new batch of `version`, or of the version that jobs have where nothing is said."""
    version = version or make_version()
    worker = worker or make_worker(node=f"{uuid4()}@tests").id
    return BatchRow(uuid4(), worker, version.id, version.model.name, 0, "test", 0.0, isolation_group)
