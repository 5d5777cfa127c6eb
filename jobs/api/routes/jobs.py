"""The calls that read jobs, and the two that change one."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from ninja import Query

from jobs.api.auth import ApiRequest, check_scope, needs, seen_by
from jobs.api.responses import json_answer, placed
from jobs.api.router import router
from jobs.api.schemas import JobPageSchema, JobQuerySchema, JobSchema
from jobs.core.access.scopes import Scope
from jobs.core.errors import JobNotFoundError
from jobs.services.access.audit import view_of_another
from jobs.services.access.owner import Owner, client_id
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.job_pages import Filters, jobs_page
from jobs.services.reads.job_views import View, job_view
from jobs.services.reads.payloads import view_for


@router.get(
    "/jobs",
    operation_id="listJobs",
    response={200: JobPageSchema},
    summary="Jobs, newest first",
    **needs(Scope.READ),
)
def list_jobs(request: ApiRequest, listing: Query[JobQuerySchema]) -> HttpResponse:
    """Return a page of the caller's jobs, newest first; or, for an admin, of the client that it names.

    Jobs in a list have neither metadata nor output nor error: read those that matter one by one.
    """
    filters = Filters(
        state=listing.state,
        model=listing.model,
        priority=listing.priority,
        created_after=listing.created_after,
    )
    client = _whose(request.auth, listing.client)
    page = jobs_page(client_id=client, filters=filters, cursor=listing.cursor, limit=listing.limit)
    return json_answer({"jobs": [placed(job, client) for job in page.jobs], "next_cursor": page.next_cursor})


@router.get(
    "/jobs/{uuid:job_id}",
    operation_id="getJob",
    response={200: JobSchema},
    summary="One job",
    **needs(Scope.READ),
)
def read(request: ApiRequest, job_id: UUID, wait: float = 0.0) -> HttpResponse:  # noqa: ARG001  # see below
    """Return one job as it stands; with `wait`, once it has ended or those seconds are over."""
    view = _view(request, job_id)  # a call that waits never comes here: `server` holds no thread for it
    view_of_another(request.auth, job_id)
    return json_answer(view_for(request.auth, placed(view, request.auth.reach)))


@router.post(
    "/jobs/{uuid:job_id}/cancel",
    operation_id="cancelJob",
    response={200: JobSchema},
    summary="Cancel a job",
    **needs(Scope.CANCEL),
)
def cancel(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Cancel a job that has not ended; 409 where it has, but for one cancelled already.

    A job that runs is cancelled at once, whether or not its model can stop: its answer is not stored.
    """
    cancel_job(job_id=job_id, actor=request.auth.actor, client_id=request.auth.reach)
    return json_answer(seen_by(request.auth, view_for(request.auth, _view(request, job_id))))


@router.post(
    "/jobs/{uuid:job_id}/replay",
    operation_id="replayJob",
    response={200: JobSchema},
    summary="Replay a job",
    **needs(Scope.REPLAY),
)
def replay(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Queue a dead, cancelled or expired job again; 409 in any other state, 410 where its input is gone."""
    replay_job(job_id=job_id, actor=request.auth.actor, client_id=request.auth.reach)
    return json_answer(seen_by(request.auth, view_for(request.auth, _view(request, job_id))))


def _view(request: ApiRequest, job_id: UUID) -> View:
    view = job_view(job_id, client_id=request.auth.reach)
    if view is None:
        raise JobNotFoundError
    return view


def _whose(owner: Owner, named: str | None) -> int:
    """Return the client whose jobs are listed: one's own, unless an admin names another."""
    if named is None:
        return owner.id
    check_scope(owner, Scope.ADMIN)
    return client_id(named)
