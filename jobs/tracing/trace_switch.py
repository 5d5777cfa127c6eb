"""Turns traces on in one process, after it has started, and off before it ends.

Each process makes its own recorder: threads and locks of one do not survive a fork.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from jobs import tracing

if TYPE_CHECKING:
    from jobs.tracing.span_recorder import SpanRecorder

log = logging.getLogger(__name__)
MISSING = (
    "traces are off: OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. Install the "
    "extra `otel` of this project, or unset the variable: %s"
)
_recorder: SpanRecorder | None = None


def start(process: str) -> None:
    """Record spans of this process from now on, where an endpoint is set; a second call does nothing.

    Traces never keep a process from starting: what is wrong with them is logged.
    """
    if tracing.on or not _asked_for():
        return
    try:
        from jobs.tracing.span_recorder import SpanRecorder

        use(SpanRecorder(process))
    except ImportError as error:
        log.error(MISSING, error)  # noqa: TRY400  # the traceback says nothing more
    except Exception as error:  # noqa: BLE001  # one of OpenTelemetry's variables is wrong, say
        log.error("traces are off: they cannot be exported: %s", error)  # noqa: TRY400


def use(recorder: SpanRecorder | None) -> None:
    """Record by `recorder` from now on; None: not at all."""
    global _recorder  # noqa: PLW0603  # one a process
    _recorder = recorder
    tracing.on = recorder is not None


def recorder() -> SpanRecorder:
    """Return what records this process's spans; only where `tracing.on`, or was a moment ago."""
    assert _recorder is not None  # noqa: S101  # callers ask `tracing.on` first
    return _recorder


def stop() -> None:
    """Export the last spans, and record none any more; it takes less than two seconds."""
    if tracing.on:
        tracing.on = False
        recorder().stop()


def _asked_for() -> bool:
    """Return whether an endpoint is set, and nothing of OpenTelemetry's own turns traces off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    of_all = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    return bool(of_all.strip() or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip())
