"""The call that says what a job waited for, stage by stage, and why."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.responses import existing, json_answer
from jobs.api.router import router
from jobs.core.access.scopes import Scope
from jobs.core.cause import Cause
from jobs.core.states import State
from jobs.core.timeline.attempt_marks import JobStage
from jobs.services.reads.job_timeline import read_timeline, timeline_view


class AttemptStageSchema(Schema):
    """A stage of an attempt: each begins where the one before it ends."""

    stage: JobStage
    begin: datetime
    seconds: float
    open: bool = Field(description="It goes on: `seconds` are those so far.")
    sentence: str


class AttemptTimelineSchema(Schema):
    """An attempt and its stages."""

    number: int
    outcome: str = Field(
        description="`failed`, `worker died`, `taken back`, or of the last attempt the job's state."
    )
    code: str | None = Field(description="The code of its failure.")
    batch: UUID | None
    worker: str | None
    pruned: bool = Field(description="Its batch's row or earlier events were deleted: no more is known.")
    stages: list[AttemptStageSchema]


class JobTimelineSchema(Schema):
    """A job's life from its creation to its end, or until now: the stages' seconds add up to `seconds`.

    `cause` says why its longest stage took so long, null where that is not known any more. `leader` is the
    identical job that ran, or runs, instead of this one.
    """

    id: UUID
    state: State
    model: str
    version: str
    created_at: datetime
    finished_at: datetime | None
    seconds: float
    cause: Cause | None
    explanation: str
    leader: UUID | None
    pruned: bool
    attempts: list[AttemptTimelineSchema]


@router.get(
    "/jobs/{uuid:job_id}/timeline",
    operation_id="getJobTimeline",
    response={200: JobTimelineSchema},
    summary="Why a job took so long",
    **needs(Scope.READ),
)
def read_job_timeline(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Return a job's attempts with the seconds of each stage, and the one cause of its longest wait."""
    return json_answer(timeline_view(existing(read_timeline(job_id, client_id=request.auth.reach))))
