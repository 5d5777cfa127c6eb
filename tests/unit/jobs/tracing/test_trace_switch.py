"""Traces are off, and nothing of them imported, unless an endpoint is set; then they are on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jobs import tracing
from jobs.tracing import trace_switch

LOADED = """
import os
import sys
from tests.support.services import use_placeholders
use_placeholders()
import inference_site.asgi, inference_site.celery, jobs.tasks, jobs.worker.process
from jobs.management.commands import gpu_worker, relay
from jobs import tracing
from jobs.tracing import trace_switch


def seen():
    trace_switch.start("test")
    print(tracing.on, any(name.split(".")[0] == "opentelemetry" for name in sys.modules))


seen()
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
seen()
trace_switch.stop()
"""


def test_nothing_of_opentelemetry_is_imported_unless_an_endpoint_is_set() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    argv = [sys.executable, "-W", "ignore", "-c", LOADED]
    answer = subprocess.run(argv, env=clean, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False", "True", "True"]


OFF = [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}]


@pytest.mark.parametrize("off", OFF)
def test_opentelemetry_s_own_variables_turn_it_off(
    off: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} | off).items():
        monkeypatch.setenv(name, value)
    trace_switch.start("test")
    assert not tracing.on


@pytest.mark.parametrize("without", ["library", "number"])
def test_a_process_starts_without_traces_where_they_cannot_be_made(
    without: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9")
    if without == "library":
        monkeypatch.setitem(sys.modules, "jobs.tracing.span_recorder", None)
    else:
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")
    trace_switch.start("test")
    assert not tracing.on
    assert ("the extra `otel`" if without == "library" else "many") in caplog.text
