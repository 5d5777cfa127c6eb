"""Processes that share a folder count together; the gauges of a dead one disappear."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import REGISTRY, generate_latest

from jobs import metrics

COUNT = """
from jobs import metrics
metrics.SWEEP_REAPED.inc(3)
metrics.RELAY_QUEUES.set(2)
metrics.SWEEP_LAST.set(7)
"""


def count_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    config = replace(settings.INFERENCE, prometheus_multiproc_dir=str(folder))
    monkeypatch.setattr(settings, "INFERENCE", config)


def test_a_single_process_exports_its_own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, prometheus_multiproc_dir=""))
    assert metrics.counted() is REGISTRY


def test_counters_of_dead_processes_stay_and_their_gauges_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count_in(tmp_path, monkeypatch)
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNT], check=True, env=os.environ.copy())
    text = generate_latest(metrics.counted()).decode()
    assert "inference_sweep_reaped_total 6.0" in text
    assert "inference_sweep_last_timestamp_seconds 7.0" in text
    assert "inference_relay_queues_owned 2.0" not in text
    assert "inference_relay_queues_owned 4.0" not in text


def test_gauges_of_living_processes_are_exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    count_in(tmp_path, monkeypatch)
    waits = COUNT + "print(1, flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ.copy()
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "inference_relay_queues_owned 2.0" in generate_latest(metrics.counted()).decode()
        process.communicate(b"\n")
