"""The calls that read jobs, and those that cancel, replay and erase one."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from ninja import Query

from jobs.api.auth import ApiRequest, check_scope, needs, seen_by
from jobs.api.docs.request_docs import JOB_DOC
from jobs.api.prefer import leave_large
from jobs.api.responses import existing, job_answer, json_answer, placed
from jobs.api.router import router
from jobs.api.schemas import JobPageSchema, JobQuerySchema, JobSchema
from jobs.core.access.scopes import Scope
from jobs.services.access.audit import view_of_another
from jobs.services.access.owner import Owner, client_id
from jobs.services.admission.quotas import charge_run
from jobs.services.erasure.erase_job import erase_job
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.job_pages import Filters, jobs_page
from jobs.services.reads.job_views import View, job_row, job_view, view_of
from jobs.services.reads.payloads import view_for

NO_CONTENT = 204


@router.get(
    "/jobs",
    operation_id="listJobs",
    response={200: JobPageSchema},
    summary="Jobs, newest first",
    **needs(Scope.READ),
)
def list_jobs(request: ApiRequest, listing: Query[JobQuerySchema]) -> HttpResponse:
    """Return a page of your jobs, newest first; an admin may name another client.

    Jobs in a list have no metadata, output or error: read a single job for these.
    """
    filters = Filters(
        state=listing.state,
        model=listing.model,
        priority=listing.priority,
        created_after=listing.created_after,
    )
    client = _listed_client(request.auth, listing.client)
    page = jobs_page(client_id=client, filters=filters, cursor=listing.cursor, limit=listing.limit)
    return json_answer({"jobs": [placed(job, client) for job in page.jobs], "next_cursor": page.next_cursor})


@router.get(
    "/jobs/{uuid:job_id}",
    operation_id="getJob",
    response={200: JobSchema},
    summary="One job",
    **needs(Scope.READ, **JOB_DOC),
)
def read(request: ApiRequest, job_id: UUID, wait: float = 0.0) -> HttpResponse:  # noqa: ARG001  # see below
    """Return one job at once; with `wait`, when it has ended or after so many seconds."""
    # `app` serves calls that wait: they never come here.
    row = existing(job_row(job_id, client_id=request.auth.reach))
    if row.is_remote and leave_large(request, job_id):
        return HttpResponse()
    view = view_of(row)
    view_of_another(request.auth, job_id)
    return job_answer(
        view_for(request.auth, placed(view, request.auth.reach)), request.META.get("HTTP_ACCEPT", "")
    )


@router.post(
    "/jobs/{uuid:job_id}/cancel",
    operation_id="cancelJob",
    response={200: JobSchema},
    summary="Cancel a job",
    **needs(Scope.CANCEL),
)
def cancel(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Cancel a job that has not ended. A job that has ended returns 409, unless it was cancelled already.

    A running job is cancelled at once, even where its model cannot stop: the output is then not stored.
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
def replay(request: ApiRequest, job_id: UUID, same_version: bool = False) -> HttpResponse:  # noqa: FBT001, FBT002  # a query
    """Queue a dead, cancelled or expired job again; 409 in any other state, 410 without its input.

    It counts as a new job towards the client's quotas, but for their bytes. A job that named its version
    keeps it. One that a rule had routed gets the version that the rule in force now decides; with
    `same_version` it keeps its own, and 409 `version_state` says that this one is blocked.
    """
    if request.auth.models:
        request.auth.check_model(_view(request, job_id)["model"])
    charge_run(request.auth)
    owner = request.auth
    replay_job(job_id=job_id, actor=owner.actor, client_id=owner.reach, same_version=same_version)
    return json_answer(seen_by(request.auth, view_for(request.auth, _view(request, job_id))))


@router.delete(
    "/jobs/{uuid:job_id}",
    operation_id="eraseJob",
    response={NO_CONTENT: None},
    summary="Erase a job",
    **needs(Scope.ERASE),
)
def erase(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Erase all content of a job; a live one is cancelled first. Calls on it return 410 from then on.

    Input, output, metadata, error, idempotency key, callback address and files are gone at once. Its id,
    state and times are kept for a while. A job that was erased before returns 204 again.
    """
    erase_job(job_id=job_id, actor=request.auth.actor, client_id=request.auth.reach)
    return HttpResponse(status=NO_CONTENT, headers={"Cache-Control": "no-store"})


def _view(request: ApiRequest, job_id: UUID) -> View:
    return existing(job_view(job_id, client_id=request.auth.reach))


def _listed_client(owner: Owner, named: str | None) -> int:
    """Return the client whose jobs are listed: the caller, unless an admin names another."""
    if named is None:
        return owner.id
    check_scope(owner, Scope.ADMIN)
    return client_id(named)
