"""The bodies of answers, for the API's description; the answers themselves are written by hand, for speed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, Field

from jobs.core.admission.shedding import EtaUnknown
from jobs.core.failures import FailureKind
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.states import State

MAX_PAGE = 200


class UploadSchema(Schema):
    """An uploaded file; jobs of the same client may refer to it until it expires."""

    id: UUID = Field(description='An input refers to the file as `{"$upload": ID}`.')
    size: int = Field(description="The size in bytes.")
    sha256: str = Field(description="The SHA-256 of its bytes, in hexadecimal digits.")
    content_type: str
    expires_at: datetime = Field(description="Jobs that are accepted before then keep the file.")


class JobUrlsSchema(Schema):
    """The addresses at which a job is read, waited for, cancelled and followed."""

    self: str = Field(description="GET reads the job at once.")
    wait: str = Field(description="GET waits for the job's end; you may change the seconds of `wait`.")
    cancel: str = Field(description="POST cancels the job.")
    events: str = Field(description="GET follows the job by server-sent events.")


class AcknowledgementSchema(Schema):
    """A job that was accepted, with an estimate while it is queued.

    `queue_position` estimates how many jobs of the same or a higher priority are ahead, and `eta_s` in how
    many seconds the job ends. Where a queued job has no `eta_s`, `eta_unknown` says why: `no_worker` serves
    the model, a circuit holds it (`circuit_open`), an operator does (`paused`), its workers ran nothing
    lately (`not_measured`), or nobody has counted its queue (`not_counted`).
    """

    id: UUID
    state: State
    model: str
    version: str
    attempts: int = Field(
        description="Attempts so far. A replay begins at 0; attempts that a worker gave back do not count."
    )
    created_at: datetime
    queue_position: int | None
    eta_s: float | None
    eta_unknown: EtaUnknown | None
    urls: JobUrlsSchema


class JobSummarySchema(AcknowledgementSchema):
    """A job in a list."""

    priority: int
    max_attempts: int
    deadline: datetime | None = Field(description="The job expires if it has not ended by then.")
    started_at: datetime | None = Field(description="The start of its last attempt.")
    finished_at: datetime | None


class JobErrorSchema(Schema):
    """Why a job is dead, cancelled or expired; `reason` says why a dead one had no further attempt."""

    kind: FailureKind | Literal["cancelled"]
    code: str
    detail: str
    reason: str


class JobSchema(JobSummarySchema):
    """A job. It has an `output` once it succeeded, an `error` if it ended without one or that is lost.

    `cached_from` is the identical job that ran instead of this one, where its output was shared. With
    `payload_expired`, input, metadata and output were deleted because their retention time is over. Only jobs
    of a cascade have a `step`, and only those are `degraded` whose output is of an earlier step than was due.
    """

    payload_expired: bool = False
    metadata: dict[str, Any] | None
    cached_from: UUID | None
    output: Any = None
    degraded: bool = False
    step: int | None = Field(None, description="The step of its cascade that it is in, or ended with.")
    error: JobErrorSchema | None = None


class JobPageSchema(Schema):
    """Jobs, newest first. A page may hold fewer jobs than `limit`: go on until `next_cursor` is null."""

    jobs: list[JobSummarySchema]
    next_cursor: UUID | None = Field(description="The `cursor` of the next page; null on the last page.")


class ProblemSchema(Schema):
    """An error (RFC 9457): `code` is stable, `detail` is for people.

    Some problems have more members, such as `scope`, `quota`, `circuit` or `retry_after_s`.
    """

    type: str
    title: str
    status: int
    code: str = Field(description="Which problem it is; programs should read this member.")
    detail: str


class BulkItemSchema(Schema):
    """The outcome of one item: an id and a state, or a problem; `cached_from` where it shares a result."""

    index: int = Field(description="The item's place in the call, from 0.")
    id: UUID | None = None
    state: State | None = None
    cached_from: UUID | None = None
    problem: ProblemSchema | None = Field(
        None, description="The problem that a call for this job alone would return."
    )


class BulkResultSchema(Schema):
    """The outcome of a bulk call."""

    accepted: int
    rejected: int
    jobs: list[BulkItemSchema]


def _iso_text(value: Any) -> Any:
    if isinstance(value, str) and value[:4].isdigit() and value[4:5] == "-":
        return value
    raise ValueError("it must be a date and a time, such as 2026-01-31T12:00:00Z")


# pydantic alone would take any number as seconds since 1970
Moment = Annotated[AwareDatetime, BeforeValidator(_iso_text)]


class JobQuerySchema(Schema):
    """The filters of a list of jobs; to name another `client` takes the scope `admin`."""

    state: State | None = None
    model: str | None = None
    priority: int | None = Field(None, ge=LOWEST, le=HIGHEST)
    created_after: Moment | None = None
    client: str | None = None
    cursor: UUID | None = None
    limit: int = Field(50, ge=1, le=MAX_PAGE)
