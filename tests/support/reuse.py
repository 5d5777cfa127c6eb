"""A version whose identical requests share runs, and its jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jobs.models import Follower, Job
from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.support.factories import make_version
from tests.support.submit import submit_to

MODEL = "cached"


def shared_version(version: str = "1", **options: Any) -> ModelVersion:
    """Return the version of MODEL, with a cache of a minute unless `options` differ."""
    selectors.forget()
    return make_version(MODEL, version, options=options or {"cache_ttl_s": 60})


def submit(value: Any = None, **fields: Any) -> Submitted:
    """Submit one job of MODEL, the same one each time unless `value` or `fields` differ."""
    return submit_to(MODEL, value or {"text": "a"}, **fields)


def states(*jobs: Submitted) -> list[str]:
    """Return the jobs' states, in order."""
    by_id = dict(Job.objects.filter(id__in=[job.id for job in jobs]).values_list("id", "state"))
    return [by_id[job.id] for job in jobs]


def followed() -> dict[UUID, UUID]:
    """Return every follower's leader."""
    return dict(Follower.objects.values_list("job_id", "leader"))
