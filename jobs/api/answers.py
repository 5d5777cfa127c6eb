"""Answers in JSON, written by msgspec so that stored outputs pass through unread."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpResponse

from jobs.core.states import TERMINAL
from jobs.selectors.views import View, brief_view
from jobs.services.submit import Submitted

JSON = "application/json"


def json_answer(value: Any, status: int = 200) -> HttpResponse:
    """Return `value` as an uncached JSON answer."""
    return HttpResponse(
        msgspec.json.encode(value),
        status=status,
        content_type=JSON,
        headers={"Cache-Control": "no-store"},
    )


def acknowledgement(job: Submitted) -> View:
    """Return what the API says of a job that was just submitted."""
    return brief_view(job.id, job.state, job.model, job.version, job.attempts, job.created_at)


def accepted(view: View) -> HttpResponse:
    """Answer a submit: 200 where the job is done already, else 202; with its Location."""
    done = view["state"] in TERMINAL
    answer = json_answer(view, HTTPStatus.OK if done else HTTPStatus.ACCEPTED)
    answer.headers["Location"] = view["urls"]["self"]
    return answer
