"""A page has the process's own metrics, or those of all in its folder, and what the surveyor knows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from prometheus_client import generate_latest

from jobs.exporting import exporter
from tests.support.wait import wait_until

COUNT = """
from jobs import metrics
metrics.SWEEP_REAPED.inc(3)
metrics.RELAY_QUEUES.set(2)
metrics.SWEEP_LAST.set(7)
"""


@pytest.fixture(autouse=True)
def without_survey(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(settings.INFERENCE, prometheus_multiproc_dir="", database_url="")
    monkeypatch.setattr(settings, "INFERENCE", config)


def count_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    config = replace(settings.INFERENCE, prometheus_multiproc_dir=str(folder))
    monkeypatch.setattr(settings, "INFERENCE", config)


def text() -> str:
    return generate_latest(exporter.page()).decode()


def test_a_single_process_exports_its_own_metrics() -> None:
    assert "\nprocess_resident_memory_bytes " in text()
    assert "\ninference_sweep_reaped_total " in text()


def test_counters_of_dead_processes_stay_and_their_gauges_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count_in(tmp_path, monkeypatch)
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNT], check=True, env=os.environ.copy())
    assert "inference_sweep_reaped_total 6.0" in text()
    assert "inference_relay_queues_owned" not in text()
    assert "\ninference_sweep_last_timestamp_seconds" not in text()


def test_gauges_of_living_processes_are_exported_with_what_the_system_knows_of_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count_in(tmp_path / "made", monkeypatch)
    waits = COUNT + "print(1, flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ.copy()
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "inference_relay_queues_owned 2.0" in text()
        assert f'process_resident_memory_bytes{{pid="{process.pid}"}} ' in text()
        process.communicate(b"\n")


def test_a_page_can_be_asked_for_by_names() -> None:
    chosen = exporter.page().restricted_registry(["inference_sweep_reaped_total"])
    assert [metric.name for metric in chosen.collect()] == ["inference_sweep_reaped"]


def test_a_port_that_is_taken_stops_no_process_and_its_page_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporter, "TURN_S", 0.01)
    exporter.serve.cache_clear()
    exporter.serve_in_turn.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as predecessor:
        port = predecessor.getsockname()[1]
        config = replace(settings.INFERENCE, metrics_port=port, metrics_host="127.0.0.1")
        monkeypatch.setattr(settings, "INFERENCE", config)
        exporter.serve()
    address = f"http://127.0.0.1:{port}/metrics"
    wait_until(lambda: is_answered(address), limit_s=20, what="the page")


def is_answered(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(address, trust_env=False).status_code == 200
    return False
