"""The calls by which clients say how good the answers of their jobs were."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.feedback_docs import FEEDBACK_DOC, MANY_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.problems import problem
from jobs.api.responses import json_answer
from jobs.api.router import router
from jobs.api.schemas import ProblemSchema
from jobs.core.ab_tests.feedback_request import read_many, read_one
from jobs.core.ab_tests.feedback_verdict import StoredFeedback
from jobs.core.access.scopes import Scope
from jobs.core.errors import PlatformError
from jobs.services.ab_tests.record_feedback import store_feedback


class FeedbackSchema(Schema):
    """What is stored of a job under a name; a boolean is 1 or 0."""

    job: UUID
    name: str
    value: float | str


class FeedbackOutcomeSchema(Schema):
    """The outcome of one item: what is stored, or a problem."""

    index: int = Field(description="The item's place in the call, from 0.")
    job: UUID | None = None
    name: str | None = None
    value: float | str | None = None
    new: bool | None = Field(None, description="False: the same value was stored before.")
    problem: ProblemSchema | None = Field(
        None, description="The problem that a call for this item alone would return."
    )


class FeedbackResultSchema(Schema):
    """The outcome of a call with many items."""

    accepted: int = Field(description="Items whose value is stored, now or before.")
    rejected: int
    feedback: list[FeedbackOutcomeSchema]


@router.post(
    "/jobs/{uuid:job_id}/feedback",
    operation_id="giveFeedback",
    response={201: FeedbackSchema, 200: FeedbackSchema},
    summary="Say how good an answer was",
    **needs(Scope.SUBMIT, **FEEDBACK_DOC),
)
def give(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Store one value of a name for a job of yours that ended within the last 30 days: 201.

    The same value again returns 200, another one 409: what was said does not change. It is compared between
    the versions of an A/B test, and stored for any other job too.
    """
    said = read_one(read_body(request, limit_bytes=SMALL_BYTES), job_id)
    (outcome,) = store_feedback(client=request.auth.reach, items=[said])
    if isinstance(outcome, PlatformError):
        raise outcome
    return json_answer(_shown(outcome), HTTPStatus.CREATED if outcome.is_new else HTTPStatus.OK)


@router.post(
    "/feedback",
    operation_id="giveFeedbackMany",
    response={200: FeedbackResultSchema},
    summary="Say how good many answers were",
    **needs(Scope.SUBMIT, **MANY_DOC),
)
def give_many(request: ApiRequest) -> HttpResponse:
    """Store up to 1,000 values; each item has its own outcome, and a refused one changes no other."""
    items = read_many(read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes))
    outcomes = store_feedback(client=request.auth.reach, items=items)
    shown = [_item(index, outcome) for index, outcome in enumerate(outcomes)]
    rejected = sum("problem" in item for item in shown)
    return json_answer({"accepted": len(shown) - rejected, "rejected": rejected, "feedback": shown})


def _item(index: int, outcome: StoredFeedback | PlatformError) -> dict[str, Any]:
    if isinstance(outcome, PlatformError):
        return {"index": index, "problem": problem(outcome)}
    return {"index": index, **_shown(outcome), "new": outcome.is_new}


def _shown(outcome: StoredFeedback) -> dict[str, Any]:
    said = outcome.said
    return {"job": said.job, "name": said.name, "value": said.value if said.label is None else said.label}
