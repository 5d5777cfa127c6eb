"""The calls on jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpResponse
from ninja import Router

from jobs.api.answers import accepted, acknowledgement, json_answer
from jobs.api.auth import ApiRequest
from jobs.api.body import read_body
from jobs.api.problems import problem
from jobs.core.admission import JobRequest, check_key, keyed, parse_bulk, parse_request
from jobs.core.errors import JobNotFoundError, MalformedRequestError, PlatformError
from jobs.selectors.views import job_view
from jobs.services.submit import Submitted, submit_job, submit_jobs

router = Router(tags=["jobs"])
NDJSON = ("application/x-ndjson", "application/jsonl", "application/ndjson")


@router.post("/jobs")
def submit(request: ApiRequest) -> HttpResponse:
    """Accept one job."""
    raw = read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes)
    job = submit_job(owner=request.auth, request=_with_key(request, parse_request(raw)))
    return accepted(acknowledgement(job))


@router.post("/jobs/bulk")
def submit_bulk(request: ApiRequest) -> HttpResponse:
    """Accept up to 10,000 jobs, as a JSON array or one JSON object a line."""
    raw = read_body(request, limit_bytes=settings.INFERENCE.max_bulk_body_bytes)
    items = keyed(parse_bulk(raw, ndjson=_is_ndjson(request, raw)), _header_key(request))
    outcomes = submit_jobs(owner=request.auth, requests=items)
    jobs = [_bulk_item(index, outcome) for index, outcome in enumerate(outcomes)]
    rejected = sum("problem" in job for job in jobs)
    return json_answer({"accepted": len(jobs) - rejected, "rejected": rejected, "jobs": jobs}, 202)


@router.get("/jobs/{uuid:job_id}")
def read(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Return one job, with its output once it succeeded and its error once it is dead."""
    view = job_view(job_id, client_id=request.auth.id)
    if view is None:
        raise JobNotFoundError
    return json_answer(view)


def _header_key(request: ApiRequest) -> str | None:
    return check_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))


def _with_key(request: ApiRequest, job: JobRequest) -> JobRequest:
    key = _header_key(request)
    if key is None:
        check_key(job.idempotency_key)
        return job
    if job.idempotency_key not in {None, key}:
        raise MalformedRequestError("the Idempotency-Key header and idempotency_key differ")
    return msgspec.structs.replace(job, idempotency_key=key)


def _is_ndjson(request: ApiRequest, raw: bytes) -> bool:
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    return kind in NDJSON or raw[:64].lstrip()[:1] == b"{"


def _bulk_item(index: int, outcome: Submitted | PlatformError) -> dict[str, Any]:
    if isinstance(outcome, PlatformError):
        return {"index": index, "problem": problem(outcome)}
    return {"index": index, "id": outcome.id, "state": outcome.state}
