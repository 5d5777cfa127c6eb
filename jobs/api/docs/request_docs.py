"""What the API's pages say of requests: bodies, headers, examples, and the webhook that may follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jobs.api.docs import examples
from jobs.api.docs.examples import Examples
from jobs.api.docs.response_docs import ANSWERS, by_example
from jobs.core.submission.request import MAX_BULK_JOBS, MAX_KEY_CHARS, JobRequest

_, _components = msgspec.json.schema_components([JobRequest])
_REQUEST = _components["JobRequest"]
_KEY_TEXT = {"type": "string", "maxLength": MAX_KEY_CHARS, "pattern": "^[ -~]+$"}
_KEY_FIELD = _REQUEST["properties"]["idempotency_key"]
_KEY_FIELD["anyOf"] = [
    {**told, **_KEY_TEXT} if told["type"] == "string" else told for told in _KEY_FIELD["anyOf"]
]
# A header's own spaces at either end are no part of its value.
_HEADER_KEY = {"type": "string", "maxLength": MAX_KEY_CHARS, "pattern": "^[!-~]([ -~]*[!-~])?$"}


def _header(name: str, schema: dict[str, Any], description: str, example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": schema, "description": description, "example": example}


# Of the addresses' own parameters, whose types stand in the code.
PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "job_id": ("A job's `id`.", examples.JOB_ID),
    "name": ("A model's name.", "minilm"),
    "wait": ("Seconds to wait for the job's end; the server cuts them to its limit.", 2),
    "state": ("Only jobs in this state.", "dead"),
    "model": ("Only jobs of this model: its name, without a version.", "minilm"),
    "priority": ("Only jobs of this priority.", 7),
    "created_after": ("Only jobs that are newer; with a time zone.", "2026-01-31T12:00:00Z"),
    "client": ("Another client, whose jobs are shown: takes the scope `admin`.", "search-app"),
    "cursor": ("The `next_cursor` of the page before.", examples.JOB_ID),
    "limit": ("Jobs on a page, at most.", 50),
}
_SAFE = "Makes the call safe to send again: under a key that was used before, with the same body, it answers"
_KEY = _header(
    "Idempotency-Key",
    _HEADER_KEY,
    f"{_SAFE} with the job that there is; with another body, with 409. The body may have it instead.",
    "order-4711",
)
_KEYS = _header(
    "Idempotency-Key",
    _HEADER_KEY,
    f"{_SAFE} with the jobs that there are; with other items, with 409. An item's own `idempotency_key` goes"
    " before it.",
    "orders-of-today",
)
_PREFER = _header(
    "Prefer",
    {"type": "string"},
    "`wait=SECONDS` (RFC 7240): the answer is the ended job, where it ends so soon; else an acknowledgement."
    " The server has a limit, and may be too busy to wait.",
    "wait=2",
)
_LAST_EVENT = _header(
    "Last-Event-ID",
    {"type": "string"},
    "The id of the last event that the client has: it is told what is newer. Any other text counts for none.",
    "1.5.running",
)


def _body(*media: tuple[str, dict[str, Any], Examples], description: str = "") -> dict[str, Any]:
    content = {kind: {"schema": schema, "examples": by_example(shown)} for kind, schema, shown in media}
    return {"required": True, "content": content} | ({"description": description} if description else {})


def _upload() -> dict[str, Any]:
    told = (
        "The file itself, of any Content-Type, which is kept, such as `image/png`; no body is an empty file."
    )
    binary = {"type": "string", "format": "binary"}
    return _body(("application/octet-stream", binary, examples.FILES), description=told) | {"required": False}


_FORM = {
    "type": "object",
    "description": 'The job as JSON, and files, to which its input refers as `{"$part": NAME}`.',
    "properties": {"job": _REQUEST},
    "additionalProperties": {"type": "string", "format": "binary"},
    "required": ["job"],
}
UPLOAD_DOC: dict[str, Any] = {"requestBody": _upload()}
_SIGNED = {
    "webhook-id": ("The same for each attempt to tell of one end.", "msg_019b2f6c52a17c3e9d046a1f0e8b7c25_1"),
    "webhook-timestamp": ("When it was sent, in seconds since 1970.", "1769860800"),
    "webhook-signature": (
        "`v1,` and an HMAC-SHA256 in base64, one for each of your secrets that work.",
        "v1,K5oZ…=",
    ),
}
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
            {**_header(name, {"type": "string"}, *told), "required": True} for name, told in _SIGNED.items()
        ],
        "requestBody": _body(("application/json", _WEBHOOK, examples.WEBHOOKS)),
        "responses": {"2XX": {"description": "Taken."}, "410": {"description": "No more to this address."}},
    }
}
_SUBMIT = _body(
    ("application/json", _REQUEST, examples.SUBMITS), ("multipart/form-data", _FORM, examples.FORMS)
)
_SUBMIT["content"]["multipart/form-data"]["encoding"] = {"job": {"contentType": "application/json"}}
SUBMIT_DOC: dict[str, Any] = {
    "callbacks": {"ended": {"{$request.body#/callback_url}": _CALLBACK}},
    "requestBody": _SUBMIT,
    "parameters": [_KEY, _PREFER],
}
_MANY = {"type": "array", "items": _REQUEST, "minItems": 1, "maxItems": MAX_BULK_JOBS}
BULK_DOC: dict[str, Any] = {
    "requestBody": _body(
        ("application/json", _MANY, examples.MANY),
        ("application/x-ndjson", _REQUEST, examples.LINES),
        description="An array of jobs, or as NDJSON one job a line; each example of that is one line.",
    ),
    "parameters": [_KEYS],
}
_EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("event", "id", "data")},
    "required": ["event", "id", "data"],
}
_TOLD = ANSWERS["get jobs/{job_id}/events"]
EVENTS_DOC: dict[str, Any] = {
    "parameters": [_LAST_EVENT],
    "responses": {
        200: {"description": _TOLD[200].means, "content": {"text/event-stream": {"schema": _EVENT}}},
        204: {"description": _TOLD[204].means},
    },
}
