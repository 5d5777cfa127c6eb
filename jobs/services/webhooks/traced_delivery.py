"""The span of one attempt to send a webhook, in the trace of its job, and the header that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from jobs.db.statement import Statement, fetch_all
from jobs.services.webhooks.http_post import WebhookRequest, WebhookResponse
from jobs.tracing import trace_switch
from jobs.tracing.harmless import harmless, or_else
from jobs.tracing.open_span import OpenSpan, Value
from jobs.tracing.trace_context import kept_context

Record = Callable[[WebhookResponse], None]
FIRST_ERROR = 400
_TRACEPARENT = Statement(
    "SELECT traceparent FROM jobs_jobinput WHERE job_id = %(job)s AND traceparent IS NOT NULL LIMIT 1", str
)


@or_else(lambda _job, _number, request, record: (request, record))
def traced(job: UUID, number: int, request: WebhookRequest, record: Record) -> tuple[WebhookRequest, Record]:
    """Return the request and record of an attempt, of a traced job with its span; only where `tracing.on`."""
    parent = next((kept_context(text) for text in fetch_all(_TRACEPARENT, {"job": job})), None)
    if parent is None:
        return request, record
    attributes: dict[str, Value] = {
        "http.request.method": "POST",
        "messaging.message.id": str(job),
        "inference.attempt": number,
    }
    span = trace_switch.recorder().start("webhook", "client", parent=parent, attributes=attributes)

    def ended(response: WebhookResponse) -> None:
        _end(span, response.status)
        record(response)

    return replace(request, headers={**request.headers, **span.place.headers}), ended


@harmless
def _end(span: OpenSpan, status: int | None) -> None:
    if status is not None:
        span.note(http__response__status_code=status)
    if status is None or status >= FIRST_ERROR:
        span.fail(str(status or "not_sent"))
    span.end()
