"""A client, and jobs that it submits as the API does."""

from __future__ import annotations

from typing import Any

from jobs.core.submission.request import JobRequest
from jobs.services.access.owner import Owner
from jobs.services.submission.submit import submit_job
from jobs.services.submission.submitted import Submitted
from tests.support.factories import make_client


def owner(name: str = "tests") -> Owner:
    """Return a client that may submit, made where there is none of that name."""
    return Owner(make_client(name).id, name, 0, frozenset({"submit", "read"}))


def submit_to(model: str, value: Any, **fields: Any) -> Submitted:
    """Submit one job of `model`, which may name a version too; `fields` are the request's others."""
    return submit_job(owner=owner(), request=JobRequest(model=model, input=value, **fields))
