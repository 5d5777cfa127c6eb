"""Answers in JSON, written by msgspec so that stored outputs pass through without being parsed."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from django.http import HttpResponse

from jobs.api.output_formats import JSON, job_body
from jobs.core.admission.shedding import EtaUnknown, Expected
from jobs.core.errors import JobNotFoundError
from jobs.core.payloads.stored_output import view_json
from jobs.core.states import TERMINAL, State
from jobs.services.admission.admit import expected_of
from jobs.services.reads.job_views import View, brief_view
from jobs.services.submission.submitted import Submitted

Read = TypeVar("Read")


def existing(read: Read | None) -> Read:
    """Return what was read of a job; JobNotFoundError where the caller has no such job."""
    if read is None:
        raise JobNotFoundError
    return read


def json_answer(value: Any, status: int = 200) -> HttpResponse:
    """Return `value` as an uncached JSON answer."""
    return HttpResponse(
        view_json(value),
        status=status,
        content_type=JSON,
        headers={"Cache-Control": "no-store"},
    )


def acknowledgement(job: Submitted) -> View:
    """Return the view of a job that was just submitted."""
    brief = brief_view(job.id, job.state, job.model, job.version, job.attempts, job.created_at)
    return _with_estimate(brief, job.expected)


def placed(view: View, client: int | None) -> View:
    """Return a view with position and ETA, where its job waits for its first attempt.

    Without a `client`, the estimate is that of a job behind all earlier ones of its priority.
    """
    if view["state"] != State.QUEUED:
        return view
    age_s = (datetime.now(UTC) - view["created_at"]).total_seconds()
    expected = expected_of(
        view["model"], view["version"], view["priority"], client or 0, age_s=age_s, job=view["id"]
    )
    return _with_estimate(view, expected)


def job_answer(view: View, accept: str, status: int = 200, *, strict: bool = True) -> HttpResponse:
    """Return one job as the `Accept` header of a call asks for it; NotAcceptableError, if `strict`."""
    body, headers = job_body(view, accept, strict=strict)
    return HttpResponse(body, status=status, headers={"Cache-Control": "no-store", **headers})


def accepted(view: View, accept: str) -> HttpResponse:
    """Return the answer to a submit, with a Location: 200 where the job has ended already, else 202."""
    done = view["state"] in TERMINAL
    answer = job_answer(view, accept, HTTPStatus.OK if done else HTTPStatus.ACCEPTED, strict=False)
    answer.headers["Location"] = view["urls"]["self"]
    return answer


def _with_estimate(view: View, expected: Expected | None) -> View:
    if view["state"] != State.QUEUED:
        return view
    if expected is None:
        return view | {"eta_unknown": EtaUnknown.NOT_COUNTED}
    eta_s = None if expected.eta_s is None else round(expected.eta_s, 3)
    return view | {"queue_position": expected.position, "eta_s": eta_s, "eta_unknown": expected.unknown}
