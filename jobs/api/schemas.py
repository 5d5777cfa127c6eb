"""What the API's pages say of its bodies; the answers themselves are written by hand, for speed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, Field

from jobs.core.admission import MAX_BULK_JOBS, MAX_KEY_CHARS, JobRequest
from jobs.core.failures import FailureKind
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.states import State

MAX_PAGE = 200


class Upload(Schema):
    """A file that was taken; jobs of the same client may refer to it until it expires."""

    id: UUID
    size: int
    sha256: str
    content_type: str
    expires_at: datetime


class Urls(Schema):
    """Where a job is read at once, waited for, cancelled and followed."""

    self: str
    wait: str
    cancel: str
    events: str


class Acknowledged(Schema):
    """A job that was accepted, with an estimate while it is queued.

    `queue_position` is about how many jobs of its priority or higher are ahead of it, `eta_s` in about how
    many seconds it is answered; null where that is not known, as without workers.
    """

    id: UUID
    state: State
    model: str
    version: str
    attempts: int
    created_at: datetime
    queue_position: int | None
    eta_s: float | None
    urls: Urls


class Listed(Acknowledged):
    """A job in a list."""

    priority: int
    max_attempts: int
    deadline: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class JobError(Schema):
    """Why a job is dead; `reason` says why no further attempt was made."""

    kind: FailureKind
    code: str
    detail: str
    reason: str


class Job(Listed):
    """A job; `output` is there once it succeeded, `error` once it is dead, or where its output is unreadable.

    `cached_from` is the identical job whose run the output comes from, where that is not the job itself.
    `payload_expired` says that input, metadata and output are gone: the time that they are kept is over.
    """

    payload_expired: bool = False
    metadata: dict[str, Any] | None
    cached_from: UUID | None
    output: Any = None
    error: JobError | None = None


class Page(Schema):
    """Jobs, newest first; a page may be short: follow `next_cursor` until it is null."""

    jobs: list[Listed]
    next_cursor: UUID | None


class Problem(Schema):
    """An error (RFC 9457); `code` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class BulkItem(Schema):
    """What became of one item: an id and a state, or a problem; `cached_from` where a result answered it."""

    index: int
    id: UUID | None = None
    state: State | None = None
    cached_from: UUID | None = None
    problem: Problem | None = None


class BulkAnswer(Schema):
    """What became of a bulk call."""

    accepted: int
    rejected: int
    jobs: list[BulkItem]


def _written_out(value: Any) -> Any:
    if isinstance(value, str) and value[:4].isdigit() and value[4:5] == "-":
        return value
    raise ValueError("it must be a date and a time, such as 2026-01-31T12:00:00Z")


# pydantic alone would take any number as seconds since 1970
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class Listing(Schema):
    """Which jobs a page shows; `client` names another client and takes the scope `admin`."""

    state: State | None = None
    model: str | None = None
    priority: int | None = Field(None, ge=LOWEST, le=HIGHEST)
    created_after: Moment | None = None
    client: str | None = None
    cursor: UUID | None = None
    limit: int = Field(50, ge=1, le=MAX_PAGE)


_, _components = msgspec.json.schema_components([JobRequest])
_REQUEST = _components["JobRequest"]
_KEY_TEXT = {"type": "string", "maxLength": MAX_KEY_CHARS, "pattern": "^[ -~]+$"}
_REQUEST["properties"]["idempotency_key"]["anyOf"] = [_KEY_TEXT, {"type": "null"}]
# A header's own spaces at either end are no part of its value.
_HEADER_KEY = {"type": "string", "maxLength": MAX_KEY_CHARS, "pattern": "^[!-~]([ -~]*[!-~])?$"}
_KEY = {"name": "Idempotency-Key", "in": "header", "schema": _HEADER_KEY}
_PREFER = {"name": "Prefer", "in": "header", "schema": {"type": "string"}, "description": "`wait=SECONDS`"}
_LAST_EVENT = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}


def _body(*media: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in media}}


_FORM = {
    "type": "object",
    "description": 'The job as JSON, and files, to which its input refers as `{"$part": NAME}`.',
    "properties": {"job": {"type": "string"}},
    "additionalProperties": {"type": "string", "format": "binary"},
    "required": ["job"],
}
UPLOAD_DOC: dict[str, Any] = {
    "requestBody": _body(("application/octet-stream", {"type": "string", "format": "binary"})),
}
_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
_WEBHOOK = {
    "type": "object",
    "required": ["type", "timestamp", "data"],
    "properties": {
        "type": {"type": "string", "examples": ["job.succeeded", "job.dead"]},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"$ref": "#/components/schemas/Job"},
    },
}
_CALLBACK = {
    "post": {
        "summary": "The job has ended",
        "description": "Signed by the Standard Webhooks specification with your secret. Any 2xx takes it, 410"
        " ends what is sent to this address; else it is sent again over a day, as `Retry-After` asks. An end"
        " may be told twice, with the same `webhook-id`.",
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}} for name in _SIGNED
        ],
        "requestBody": _body(("application/json", _WEBHOOK)),
        "responses": {"2XX": {"description": "Taken."}, "410": {"description": "No more to this address."}},
    }
}
SUBMIT_DOC: dict[str, Any] = {
    "callbacks": {"ended": {"{$request.body#/callback_url}": _CALLBACK}},
    "requestBody": _body(("application/json", _REQUEST), ("multipart/form-data", _FORM)),
    "parameters": [_KEY, _PREFER],
}
BULK_DOC: dict[str, Any] = {
    "requestBody": _body(
        ("application/json", {"type": "array", "items": _REQUEST, "minItems": 1, "maxItems": MAX_BULK_JOBS}),
        ("application/x-ndjson", _REQUEST),
    ),
    "parameters": [_KEY],
}
_EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("event", "id", "data")},
    "required": ["event", "id", "data"],
}
_EVENTS = "Each event is `state`, `progress` or, the last, `end` with the whole job; its data is JSON."
EVENTS_DOC: dict[str, Any] = {
    "parameters": [_LAST_EVENT],
    "responses": {
        200: {"description": _EVENTS, "content": {"text/event-stream": {"schema": _EVENT}}},
        204: {"description": "The client has had the last event, by its `Last-Event-ID`."},
    },
}
PROBLEMS = dict.fromkeys([400, 401, 403, 404, 408, 409, 413, 415, 422, 503], Problem)
