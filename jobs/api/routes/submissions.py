"""The calls that submit jobs; they read the request's body themselves."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse

from jobs.api.access_log import call_record
from jobs.api.auth import ApiRequest, needs, seen_by
from jobs.api.docs.request_docs import BULK_DOC, STREAM_DOC, SUBMIT_DOC
from jobs.api.http.body import read_body
from jobs.api.http.multipart import is_multipart, read_form
from jobs.api.prefer import APPLIED, applied, leave_large, preferred_wait_s, wait_for
from jobs.api.rate_limit_headers import within_limits
from jobs.api.responses import accepted, acknowledgement, json_answer
from jobs.api.router import router
from jobs.api.schemas import AcknowledgementSchema, BulkResultSchema, JobSchema
from jobs.api.streaming.submitted_lines import GROUP_LINES, LineSplitter, item_view, store_lines
from jobs.core.access.scopes import Scope
from jobs.core.states import TERMINAL
from jobs.core.submission.request import (
    check_key,
    keyed,
    parse_bulk,
    parse_request,
    with_call_key,
    without_bom,
)
from jobs.services.reads.job_views import View, job_row, view_of
from jobs.services.submission.submit import submit_job, submit_jobs
from jobs.services.submission.submitted import Submitted

NDJSON = ("application/x-ndjson", "application/jsonl", "application/ndjson")


@router.post(
    "/jobs",
    operation_id="submitJob",
    response={202: AcknowledgementSchema, 200: JobSchema},
    summary="Submit a job",
    **needs(Scope.SUBMIT, **SUBMIT_DOC),
)
@within_limits
def submit(request: ApiRequest) -> HttpResponse:
    """Accept one job: 202, or 200 where it has ended already.

    An input may refer to files: to an upload as `{"$upload": ID}`, or to a part of the same form as
    `{"$part": NAME}`. Such a form is `multipart/form-data` with the job as JSON in the part `job`:

        curl -F 'job={"model": "reader", "input": {"page": {"$part": "scan"}}}' -F scan=@scan.png …
    """
    job = _submitted(request)
    call_record().job = job.id
    answer = accepted(seen_by(request.auth, _view(request, job)), request.META.get("HTTP_ACCEPT", ""))
    wait_s = preferred_wait_s(request.META.get("HTTP_PREFER", ""))
    if wait_s is not None:
        answer.headers[APPLIED] = applied(wait_s)
        if job.state not in TERMINAL:
            wait_for(request, job.id, wait_s)
    return answer


@router.post(
    "/jobs/bulk",
    operation_id="submitJobs",
    response={202: BulkResultSchema},
    summary="Submit many jobs",
    **needs(Scope.SUBMIT, **BULK_DOC),
)
@within_limits
def submit_bulk(request: ApiRequest) -> HttpResponse:
    """Accept up to 10,000 jobs, as a JSON array or as one JSON object a line; each item has its own outcome.

    The call returns 202 even where items are refused: check each item, and send items with a `problem` of
    status 429 or 503 again later.
    """
    config = settings.INFERENCE
    raw = read_body(request, limit_bytes=config.max_bulk_body_bytes)
    parsed = parse_bulk(raw, ndjson=_is_ndjson(request, raw), most_bytes=config.max_body_bytes)
    items = keyed(parsed, check_key(request.META.get("HTTP_IDEMPOTENCY_KEY")))
    outcomes = submit_jobs(owner=request.auth, requests=items)
    jobs = [item_view(index, outcome) for index, outcome in enumerate(outcomes)]
    rejected = sum("problem" in job for job in jobs)
    call_record().jobs = len(jobs) - rejected
    return json_answer({"accepted": len(jobs) - rejected, "rejected": rejected, "jobs": jobs}, 202)


@router.post(
    "/jobs/stream",
    operation_id="streamSubmits",
    summary="Submit jobs as they come, over one connection",
    **needs(Scope.SUBMIT, **STREAM_DOC),
)
def submit_stream(request: ApiRequest) -> HttpResponse:
    """Accept one job a line for as long as the connection lasts, and answer each by a line, in order.

    A line is answered as soon as its job is stored, while later ones arrive: read and write at once, over
    HTTP/1.1 with a chunked body. A client that does not read the answers is not read from. Empty lines may be
    sent and come at any time. A line without an `index` is the last one, and says why the stream has ended:
    open another, and send again what was not answered, with the same `idempotency_key`.
    """
    config = settings.INFERENCE
    split = LineSplitter(config.max_body_bytes)
    raw = read_body(request, limit_bytes=config.max_bulk_body_bytes)
    lines = [*split.feed(raw), *split.last()]
    groups = [(first, lines[first : first + GROUP_LINES]) for first in range(0, len(lines), GROUP_LINES)]
    answer = b"".join(store_lines(request.auth, group, first=first) for first, group in groups)
    return HttpResponse(answer, content_type=NDJSON[0], headers={"Cache-Control": "no-store"})


def _submitted(request: ApiRequest) -> Submitted:
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if not is_multipart(request):
        raw = read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes)
        return submit_job(owner=request.auth, request=with_call_key(parse_request(raw), key))
    with read_form(request) as form:
        job = with_call_key(parse_request(form.job), key)
        return submit_job(owner=request.auth, request=job, parts=form.parts)


def _view(request: ApiRequest, job: Submitted) -> View:
    """Return the whole job where it has ended already, else its acknowledgement."""
    brief = acknowledgement(job)
    row = job_row(job.id, client_id=request.auth.id) if brief["state"] in TERMINAL else None
    if row is None or (row.is_remote and leave_large(request, job.id)):
        return brief
    return view_of(row)


def _is_ndjson(request: ApiRequest, raw: bytes) -> bool:
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    return kind in NDJSON or without_bom(raw[:64]).lstrip()[:1] == b"{"
