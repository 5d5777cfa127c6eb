"""A gauge's series can be taken off the page, alone and in a shared folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DROP = """
from pathlib import Path
from prometheus_client import REGISTRY, generate_latest
from jobs import metrics
from jobs.counting.dropped_series import drop
from jobs.exporting.folder_collector import FolderCollector
for queue in ("kept", "lost"):
    metrics.OUTBOX_IN_FLIGHT.labels(queue).set(1)
drop(metrics.OUTBOX_IN_FLIGHT, "lost")
drop(metrics.OUTBOX_IN_FLIGHT, "never")
folder = "{folder}"
families = FolderCollector(Path(folder), deep=False).collect() if folder else REGISTRY.collect()
samples = [sample for family in families for sample in family.samples]
print(*[sample.labels["model"] for sample in samples if "model" in sample.labels])
"""


@pytest.mark.parametrize("name", ["shared", ""])
def test_only_the_series_that_was_dropped_is_gone(name: str, tmp_path: Path) -> None:
    folder = f"{tmp_path / name}" if name else ""
    env = os.environ | ({"PROMETHEUS_MULTIPROC_DIR": folder} if folder else {})
    words = [sys.executable, "-W", "error", "-c", DROP.format(folder=folder)]
    assert subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout == "kept\n"
