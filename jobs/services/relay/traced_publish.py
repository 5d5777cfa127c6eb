"""The span of one publish of the relay, linked to the spans that made its traced jobs; none without any."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.services.relay.statements import DueRow
from jobs.tracing import trace_switch
from jobs.tracing.call_traces import kept_by
from jobs.tracing.harmless import harmless
from jobs.tracing.open_span import OpenSpan, Value, messaging

OPERATION = "publish"


class TracedPublish:
    """One publish; a message with a traced job carries its place in the header `traceparent`."""

    def __init__(self, model: str, rows: Sequence[DueRow]) -> None:
        """Start the span, if any of the rows is traced; only where `tracing.on`."""
        self._span: OpenSpan | None = None
        self._place: str | None = None
        self._begin(model, rows)

    @harmless
    def _begin(self, model: str, rows: Sequence[DueRow]) -> None:
        if links := kept_by(row.traceparent for row in rows):
            attributes: dict[str, Value] = messaging(OPERATION, "send", model)
            attributes["messaging.batch.message_count"] = len(rows)
            name = f"{OPERATION} infer.{model}"
            self._span = trace_switch.recorder().start(name, "client", links=links, attributes=attributes)
            self._place = self._span.place.traceparent

    def header(self, rows: Sequence[DueRow]) -> str | None:
        """Return the header of a message that holds these rows."""
        if self._place is None:
            return None
        return self._place if any(row.traceparent for row in rows) else None

    @harmless
    def end(self, confirmed: int, sent: int) -> None:
        """End the span, of `sent` rows of which so many were confirmed."""
        if self._span is None:
            return
        if confirmed < sent:
            self._span.fail("not_confirmed")
        self._span.note(inference__confirmed=confirmed)
        self._span.end()
