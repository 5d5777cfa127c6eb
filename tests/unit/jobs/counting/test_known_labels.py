"""A process learns the names of others, so that restarts bring no more names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.counting.known_labels import labels_in_folder
from jobs.counting.shared_folder import SharedFolder

COUNT = """
import sys
from jobs import metrics
for number in range(40):
    client = f"client-{sys.argv[1]}-{number}"
    metrics.CLIENTS.count(client, 1_000, lambda label: metrics.JOBS_ACCEPTED.labels("echo", label).inc(1_000))
"""


def test_restarts_do_not_bring_a_folder_more_clients_than_one_process_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for start in range(3):
        subprocess.run([sys.executable, "-c", COUNT, str(start)], check=True)
        SharedFolder(tmp_path).fold()
    clients = labels_in_folder("client")
    assert "other" in clients
    assert len(clients) <= 21
    assert sum(SharedFolder(tmp_path).read().sums["counter"].values()) == 120_000.0


def test_who_counts_alone_knows_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert labels_in_folder("client") == set()
