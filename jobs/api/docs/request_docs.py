"""The description of requests: bodies, headers, parameters, examples, and the webhook that may follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.api.docs import bulk_act_examples, examples
from jobs.api.docs.examples import Examples
from jobs.api.docs.named_schemas import BINARY, lines_of, named
from jobs.api.docs.response_docs import ANSWERS, by_example
from jobs.core.submission.request import MAX_BULK_JOBS, MAX_KEY_CHARS

# Spaces at either end of a header are not part of its value.
_HEADER_KEY = {"type": "string", "maxLength": MAX_KEY_CHARS, "pattern": "^[!-~]([ -~]*[!-~])?$"}


def header(name: str, schema: dict[str, Any], description: str, example: str) -> dict[str, Any]:
    """Return the description of a header of requests."""
    return {"name": name, "in": "header", "schema": schema, "description": description, "example": example}


# Parameters of paths and queries; their types stand in the code.
PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "same_version": (
        "Whether a job that a rule had routed keeps its version; else the rule in force now decides.",
        False,
    ),
    "job_id": ("A job's `id`.", examples.JOB_ID),
    "backtest_id": ("A backtest's `id`.", 5),
    "act_id": ("The `id` of an act on many jobs.", 12),
    "rollout_id": ("A roll-out's `id`.", 3),
    "name": ("A model's name.", "minilm"),
    "flag": ("A flag's name.", "new-tokens"),
    "expired": ("Only flags whose `expires_at` is over, or only other ones.", True),
    "at": ("The flags as they were at this moment; the time needs a time zone.", "2026-01-31T14:03:00Z"),
    "number": ("Of a rule: which one. Of a flag: the `number` that you read; one with another is left.", 2),
    "reason": ("Why; it is kept in the record.", "it is everywhere"),
    "version": ("A version of the model.", "2"),
    "alias": ("The alias whose rules are meant.", "default"),
    "hours": ("How many hours back to show.", 48),
    "wait": (
        "How many seconds to wait for the job's end, up to the server's limit, usually 55.",
        2,
    ),
    "state": ("Only jobs in this state.", "dead"),
    "model": ("Only jobs of this model, by its name without a version.", "minilm"),
    "priority": ("Only jobs of this priority.", 7),
    "created_after": (
        "Only jobs that were created later; the time needs a time zone.",
        "2026-01-31T12:00:00Z",
    ),
    "client": ("List the jobs of this client instead of yours; this takes the scope `admin`.", "search-app"),
    "cursor": ("The `next_cursor` of the previous page.", examples.JOB_ID),
    "grace_hours": ("For how many hours the old token works beside the new one.", 1),
    "limit": ("The largest number of jobs on the page.", 50),
}
_SAFE = "Makes the call safe to send again. A key that was used before with the same body returns"
_KEY = header(
    "Idempotency-Key",
    _HEADER_KEY,
    f"{_SAFE} the existing job; with another body, it returns 409. The body may hold the key instead.",
    "order-4711",
)
_KEYS = header(
    "Idempotency-Key",
    _HEADER_KEY,
    f"{_SAFE} the existing jobs; with other items, it returns 409. An item's own `idempotency_key` is used"
    " instead of it.",
    "orders-of-today",
)
_PREFER = header(
    "Prefer",
    {"type": "string"},
    "`wait=SECONDS` (RFC 7240): the call waits so long and returns the job if it ends in time, else an"
    " acknowledgement. The server limits the seconds, to 55 unless it is set otherwise, and may not wait when"
    " it is busy.",
    "wait=2",
)
_ACCEPT = header(
    "Accept",
    {"type": "string"},
    "`application/json` returns the job, with its output in the form that it asked for with `encoding`. Of an"
    " output of bytes, `application/x-npy`, `application/octet-stream` or the output's own type return the"
    " bytes alone; a read returns 406 where the output cannot be that. Without the header, or with `*/*`, the"
    " job's `encoding` decides. A job that has no output is always JSON.",
    "application/x-npy",
)
_BYTES_ANSWER = {"schema": BINARY, "examples": by_example({"an array": "the bytes of 384 floats"})}
_BYTES: dict[str, Any] = {
    "responses": {
        200: {"content": {"application/x-npy": _BYTES_ANSWER, "application/octet-stream": _BYTES_ANSWER}}
    }
}
JOB_DOC: dict[str, Any] = {"parameters": [_ACCEPT], **_BYTES}
_LAST_EVENT = header(
    "Last-Event-ID",
    {"type": "string"},
    "The id of the last event that you received: the stream continues after it. Any other text is ignored.",
    "1.5.running",
)


def body_of(*media: tuple[str, dict[str, Any], Examples], description: str = "") -> dict[str, Any]:
    """Return the description of a body, which may be of several media types."""
    content = {kind: {**described, "examples": by_example(shown)} for kind, described, shown in media}
    return {"required": True, "content": content} | ({"description": description} if description else {})


def schema_of(name: str) -> dict[str, Any]:
    """Return the description of JSON with a schema of a name."""
    return {"schema": named(name)}


def _upload() -> dict[str, Any]:
    description = (
        "The file itself. Send its real Content-Type, such as `image/png`, which is stored with the file. No"
        " body is an empty file."
    )
    file = ("application/octet-stream", {"schema": BINARY}, examples.FILES)
    return body_of(file, description=description) | {"required": False}


UPLOAD_DOC: dict[str, Any] = {"requestBody": _upload()}
_SIGNED = {
    "webhook-id": (
        "The same for all attempts to send one end of a job.",
        "msg_019b2f6c52a17c3e9d046a1f0e8b7c25_1",
    ),
    "webhook-timestamp": ("The time of sending, in seconds since 1970.", "1769860800"),
    "webhook-signature": (
        "`v1,` and an HMAC-SHA256 in base64, once for each of your valid secrets.",
        "v1,K5oZ…=",
    ),
}
_CALLBACK = {
    "post": {
        "summary": "The job has ended",
        "description": "Signed with your secret by the Standard Webhooks specification. Answer any 2xx to"
        " accept it, or 410 to stop all webhooks to this address. After any other answer it is sent again for"
        " about a day, no sooner than a `Retry-After` asks. It may come twice, with the same `webhook-id`.",
        "parameters": [
            {**header(name, {"type": "string"}, *texts), "required": True} for name, texts in _SIGNED.items()
        ],
        "requestBody": body_of(("application/json", schema_of("JobWebhook"), examples.WEBHOOKS)),
        "responses": {
            "2XX": {"description": "Accepted."},
            "410": {"description": "Send no more webhooks to this address."},
        },
    }
}
_SUBMIT = body_of(
    ("application/json", schema_of("JobRequest"), examples.SUBMITS),
    ("multipart/form-data", schema_of("JobForm"), examples.FORMS),
)
_SUBMIT["content"]["multipart/form-data"]["encoding"] = {"job": {"contentType": "application/json"}}
SUBMIT_DOC: dict[str, Any] = {
    "callbacks": {"ended": {"{$request.body#/callback_url}": _CALLBACK}},
    "requestBody": _SUBMIT,
    "parameters": [_KEY, _PREFER, _ACCEPT],
    **_BYTES,
}
ERASURE_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("ErasureRequest"), examples.ERASURES))
}
_ACT_KEY = header(
    "Idempotency-Key",
    _HEADER_KEY,
    f"{_SAFE} the act that was started then; with another body, it returns 409.",
    "cancel-of-today",
)
BULK_ACT_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("BulkRequest"), bulk_act_examples.REQUESTS)),
    "parameters": [_ACT_KEY],
}
REGISTRATION_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("RegistrationRequest"), examples.REGISTRATIONS))
}
_MANY = {"type": "array", "items": named("JobRequest"), "minItems": 1, "maxItems": MAX_BULK_JOBS}
BULK_DOC: dict[str, Any] = {
    "requestBody": body_of(
        ("application/json", {"schema": _MANY}, examples.MANY),
        ("application/x-ndjson", lines_of("JobRequest"), examples.LINES),
        description="A JSON array of jobs, or NDJSON with one job a line.",
    ),
    "parameters": [_KEYS],
}
_STREAM_ANSWER = ANSWERS["post jobs/stream"][200]
STREAM_DOC: dict[str, Any] = {
    "requestBody": body_of(
        ("application/x-ndjson", lines_of("JobRequest"), examples.LINES),
        description="One job a line.",
    ),
    "responses": {
        200: {
            "description": _STREAM_ANSWER.means,
            "content": {"application/x-ndjson": lines_of("BulkItem")},
        }
    },
}
_EVENTS_ANSWER = ANSWERS["get jobs/{job_id}/events"]
_EVENTS = {"schema": {"type": "string"}, "x-itemSchema": named("JobEvent")}
EVENTS_DOC: dict[str, Any] = {
    "parameters": [_LAST_EVENT],
    "responses": {
        200: {"description": _EVENTS_ANSWER[200].means, "content": {"text/event-stream": _EVENTS}},
        204: {"description": _EVENTS_ANSWER[204].means},
    },
}
