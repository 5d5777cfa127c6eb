"""The calls that read jobs, and the two that change one."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from ninja import Query

from jobs.api.answers import json_answer
from jobs.api.auth import ApiRequest
from jobs.api.router import router
from jobs.api.schemas import PROBLEMS, Job, Listing, Page
from jobs.api.wait import wait_for_end
from jobs.core.errors import JobNotFoundError
from jobs.selectors.pages import Filters, jobs_page
from jobs.selectors.views import View, job_view
from jobs.services.cancel import cancel_job
from jobs.services.replay import replay_job


@router.get("/jobs", response={200: Page} | PROBLEMS)
def list_jobs(request: ApiRequest, listing: Query[Listing]) -> HttpResponse:
    """Return a page of the caller's jobs, newest first."""
    filters = Filters(
        state=listing.state,
        model=listing.model,
        priority=listing.priority,
        created_after=listing.created_after,
    )
    owner, cursor = request.auth, listing.cursor
    page = jobs_page(client_id=owner.id, filters=filters, cursor=cursor, limit=listing.limit)
    return json_answer({"jobs": page.jobs, "next_cursor": page.next_cursor})


@router.get("/jobs/{uuid:job_id}", response={200: Job} | PROBLEMS)
def read(request: ApiRequest, job_id: UUID, wait: float = 0.0) -> HttpResponse:
    """Return one job, once it has ended or `wait` seconds are over; `urls.wait` takes many waiters."""
    view = wait_for_end(
        _view(request, job_id),
        wait_s=wait,
        reread=lambda: job_view(job_id, client_id=request.auth.id),
    )
    return json_answer(view)


@router.post("/jobs/{uuid:job_id}/cancel", response={200: Job} | PROBLEMS)
def cancel(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Cancel a job that has not ended; 409 where it has, but for one cancelled already."""
    cancel_job(job_id=job_id, actor=_actor(request), client_id=request.auth.id)
    return json_answer(_view(request, job_id))


@router.post("/jobs/{uuid:job_id}/replay", response={200: Job} | PROBLEMS)
def replay(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Queue a dead, cancelled or expired job again; 409 in any other state."""
    replay_job(job_id=job_id, actor=_actor(request), client_id=request.auth.id)
    return json_answer(_view(request, job_id))


def _view(request: ApiRequest, job_id: UUID) -> View:
    view = job_view(job_id, client_id=request.auth.id)
    if view is None:
        raise JobNotFoundError
    return view


def _actor(request: ApiRequest) -> str:
    return f"client:{request.auth.name}"
