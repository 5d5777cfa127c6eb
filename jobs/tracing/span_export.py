"""The way of spans to the collector: bounded, beside all work, and every span that is lost is counted.

OpenTelemetry's own queue drops in silence. So spans that find no room are refused before it, and those of a
failed export are counted after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Lock, Thread

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from jobs.metrics import SPANS_DROPPED

log = logging.getLogger(__name__)


class ObservedExporter(SpanExporter):
    """Exports by another exporter, and reports of each batch its size and whether it arrived."""

    def __init__(self, exporter: SpanExporter, report: Callable[[int, bool], None]) -> None:
        """Prepare to export by `exporter` and to call `report(spans, arrived)`."""
        self._exporter, self._report = exporter, report

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans; whatever goes wrong is a failed export."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception:
            log.exception("spans were not exported")
        self._report(len(spans), result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """End the exporter, in the midst of its pauses between tries too."""
        self._exporter.shutdown()


class SpanQueue(SpanProcessor):
    """Holds ended spans until they are exported by a thread, `most` of them."""

    def __init__(self, exporter: SpanExporter, most: int) -> None:
        """Start the thread."""
        self._most, self._held, self._closed = most, 0, False
        self._lock = Lock()
        self._exporter = ObservedExporter(exporter, self._exported)
        self._batches = BatchSpanProcessor(self._exporter, max_queue_size=most)

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or count it as lost."""
        with self._lock:
            has_room = self._held < self._most and not self._closed
            self._held += has_room
        if has_room:
            self._batches.on_end(span)
        else:
            SPANS_DROPPED.inc()

    def stop(self, limit_s: float) -> None:
        """Export what is held, for `limit_s` seconds at most; what is left then is lost."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        # Its own end waits for half a minute, whatever the collector does.
        ending = Thread(target=self._batches.shutdown, name="span-export-end", daemon=True)
        ending.start()
        ending.join(limit_s)
        if ending.is_alive():
            self._exporter.shutdown()
        with self._lock:
            lost, self._held = self._held, 0
        SPANS_DROPPED.inc(lost)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what is held, now and on this thread."""
        return bool(self._batches.force_flush(timeout_millis))

    def _exported(self, spans: int, arrived: bool) -> None:  # noqa: FBT001  # the report of an export
        with self._lock:
            counted = min(spans, self._held)  # after the end they were counted as lost
            self._held -= counted
        if not arrived:
            SPANS_DROPPED.inc(counted)
