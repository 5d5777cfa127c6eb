"""Where the admin shows what Flower shows: the pages of a task's job and of its batch.

Events may be forged, so a link is made of nothing but a checked UUID and the site's own address.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings

from jobs.broker.topology import queue_name

JOBS = queue_name("")  # the name of a job's task begins with it; those of other tasks do not


def job_page(_handler: Any, task: Any) -> str:
    """Return the URL of a task's job in the admin; empty where the task is no job."""
    is_job = str(task.name or "").startswith(JOBS)
    return _page("job", task.uuid) if is_job else ""


def batch_page(_handler: Any, task: Any) -> str:
    """Return the URL of the batch that a task ran in last; empty where none is known."""
    return _page("batch", getattr(task, "batch", None))


def page_of_job(_handler: Any, job: str) -> str:
    """Return the URL of a job in the admin; empty for what is no job's id."""
    return _page("job", job)


def admin_jobs(_handler: Any) -> str:
    """Return the URL of the admin's list of jobs, below which each job's page lies."""
    return f"{settings.INFERENCE.api_url}/admin/jobs/job/"


def admin_queues(_handler: Any) -> str:
    """Return the URL of the admin's list of what waits for each model."""
    return f"{settings.INFERENCE.api_url}/admin/jobs/queuestanding/"


def job_prefix(_handler: Any) -> str:
    """Return what the names of jobs' tasks begin with."""
    return JOBS


def _page(kind: str, key: object) -> str:
    try:
        return f"{settings.INFERENCE.api_url}/admin/jobs/{kind}/{UUID(str(key))}/change/"
    except ValueError:
        return ""


# What templates may call.
_CALLS = (job_page, batch_page, page_of_job, admin_jobs, admin_queues, job_prefix)
CALLS = {call.__name__: call for call in _CALLS}
