"""A line of a job's page: the identical job that answers it, or how many jobs it answers."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import job_link
from jobs.models import Follower, Job, JobResult
from models_registry.shared.admin_render import NONE

MOST_COUNTED = 1_000


def shared(job: Job) -> SafeString | str:
    """Return the identical job that this one follows or was answered by, or how many follow it."""
    if row := Follower.objects.filter(pk=job.pk).first():
        return format_html("follows job {}", job_link(row.leader))
    source = JobResult.objects.filter(pk=job.pk).values_list("source", flat=True).first()
    if source is None:
        return _led(job)
    # A job that was answered from the cache was created and ended by one statement.
    how = "answered from the cache of job {}" if job.finished_at == job.created_at else "followed job {}"
    return format_html(how, job_link(source))


def _led(job: Job) -> str:
    count = Follower.objects.filter(leader=job.pk).order_by()[:MOST_COUNTED].count()
    many = f"at least {count}" if count == MOST_COUNTED else str(count)
    return f"{many} identical jobs follow it" if count else NONE
