"""What the API's pages say of its bodies; the answers themselves are written by hand, for speed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, Field

from jobs.core.failures import FailureKind
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.states import State

MAX_PAGE = 200


class UploadSchema(Schema):
    """A file that was taken; jobs of the same client may refer to it until it expires."""

    id: UUID = Field(description='What an input refers to it by: `{"$upload": ID}`.')
    size: int = Field(description="In bytes.")
    sha256: str = Field(description="Of its bytes, in hexadecimal digits.")
    content_type: str
    expires_at: datetime = Field(description="Jobs that were accepted until then keep it.")


class JobUrlsSchema(Schema):
    """Where a job is read at once, waited for, cancelled and followed."""

    self: str = Field(description="GET it to read the job.")
    wait: str = Field(description="GET it to wait for the job's end; `wait` may be changed.")
    cancel: str = Field(description="POST to it to cancel the job.")
    events: str = Field(description="GET it to follow the job by server-sent events.")


class AcknowledgementSchema(Schema):
    """A job that was accepted, with an estimate while it is queued.

    `queue_position` is about how many jobs of its priority or higher are ahead of it, `eta_s` in about how
    many seconds it is answered; null where that is not known, as without workers.
    """

    id: UUID
    state: State
    model: str
    version: str
    attempts: int = Field(description="How often a worker has begun it, as far as that counts.")
    created_at: datetime
    queue_position: int | None
    eta_s: float | None
    urls: JobUrlsSchema


class JobSummarySchema(AcknowledgementSchema):
    """A job in a list."""

    priority: int
    max_attempts: int
    deadline: datetime | None = Field(description="When it expires, if it has not ended by then.")
    started_at: datetime | None = Field(description="When its last attempt began.")
    finished_at: datetime | None


class JobErrorSchema(Schema):
    """Why a job is dead; `reason` says why no further attempt was made."""

    kind: FailureKind
    code: str
    detail: str
    reason: str


class JobSchema(JobSummarySchema):
    """A job; `output` is there once it succeeded, `error` once it is dead, or where its output is unreadable.

    `cached_from` is the identical job whose run the output comes from, where that is not the job itself.
    `payload_expired` says that input, metadata and output are gone: the time that they are kept is over.
    """

    payload_expired: bool = False
    metadata: dict[str, Any] | None
    cached_from: UUID | None
    output: Any = None
    error: JobErrorSchema | None = None


class JobPageSchema(Schema):
    """Jobs, newest first; a page may be short: follow `next_cursor` until it is null."""

    jobs: list[JobSummarySchema]
    next_cursor: UUID | None = Field(description="What the next page is asked for with; null on the last.")


class ProblemSchema(Schema):
    """An error (RFC 9457); `code` is stable, `detail` is for people.

    Some have members of their own, such as `scope`, `quota` or `retry_after_s`.
    """

    type: str
    title: str
    status: int
    code: str = Field(description="Which problem it is: what a program decides by.")
    detail: str


class BulkItemSchema(Schema):
    """What became of one item: an id and a state, or a problem; `cached_from` where a result answered it."""

    index: int = Field(description="The item's place in the call, from 0.")
    id: UUID | None = None
    state: State | None = None
    cached_from: UUID | None = None
    problem: ProblemSchema | None = Field(
        None, description="What a call for this job alone is answered with."
    )


class BulkResultSchema(Schema):
    """What became of a bulk call."""

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
    """Which jobs a page shows; `client` names another client and takes the scope `admin`."""

    state: State | None = None
    model: str | None = None
    priority: int | None = Field(None, ge=LOWEST, le=HIGHEST)
    created_after: Moment | None = None
    client: str | None = None
    cursor: UUID | None = None
    limit: int = Field(50, ge=1, le=MAX_PAGE)
