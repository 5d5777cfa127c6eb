"""A page stays small, whatever the number of models and clients; alone and where processes share a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MOST_SERIES, MOST_BYTES = 21_000, 2_000_000
FILL = """
import itertools, sys
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, REGISTRY, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from jobs import metrics
from jobs.core.admission.quota import QuotaKind
from jobs.core.batching.sealed_batch import SealReason
from jobs.core.cascades.step_ends import Hindrance
from jobs.core.failures import FailureKind
from jobs.core.stages import Stage
from jobs.metrics.busiest_names import FirstNames

MODELS = [f"model-with-a-name-{number:02}" for number in range(50)]
WORDS = {
    "model": MODELS,
    "version": [f"{model}:{number}" for model in MODELS for number in (1, 2)],
    "arm": ["candidate", "baseline", "stable"],
    "result": ["answered", "failed", "refused"],
    "stage": list(Stage),
    "reason": list(SealReason),
    "outcome": ["succeeded", "dead", "expired", "cancelled"],
    "route": [f"/api/v1/things-{number}/{{thing_id}}/action" for number in range(30)],
    "method": ["GET", "POST", "DELETE"],
    "answer": [*Hindrance, "enough", "below", "no_confidence"],
    "status": ["2xx", "3xx", "4xx", "5xx", "gone"],
}
CLIENTS = [f"client-{number}" for number in range(1_000)]
codes = FirstNames(50)
FAILURES = [(kind, codes.label(f"code_{at}_{kind}")) for kind in FailureKind for at in range(100)]

def observed(child):
    act = {"counter": "inc", "gauge": "set", "histogram": "observe"}[child._type]
    getattr(child, act)(0.3)

def of_clients(metric):
    other = next(name for name in metric._labelnames if name != "client")
    values = MODELS if other == "model" else list(QuotaKind)
    for client, value in itertools.product(CLIENTS[::-1] + CLIENTS[:30] * 6, values):
        metrics.CLIENTS.count(client, 1, lambda label: metric.labels(**{"client": label, other: value}).inc())

def series(names):
    if names == ("kind", "code"):
        return FAILURES
    if "python" in names:  # one release at a time
        return [names]
    return itertools.product(*(WORDS.get(name, [f"w{number}" for number in range(21)]) for name in names))

for metric in {value for value in vars(metrics).values() if isinstance(value, (Counter, Gauge, Histogram))}:
    if "client" in metric._labelnames:
        of_clients(metric)
        continue
    for labels in series(metric._labelnames):
        observed(metric.labels(*labels) if labels else metric)
registry = REGISTRY
if len(sys.argv) > 1:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, sys.argv[1])
sys.stdout.buffer.write(generate_latest(registry))
"""


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "in a folder"])
def test_fifty_models_and_a_thousand_clients_fit_a_page(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001
    env = os.environ | ({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)} if shared else {})
    words = [sys.executable, "-c", FILL, *([str(tmp_path)] if shared else [])]
    page = subprocess.run(words, check=True, env=env, capture_output=True).stdout
    series = [line for line in page.decode().splitlines() if not line.startswith("#")]
    assert len(series) <= MOST_SERIES
    assert len(page) <= MOST_BYTES
    clients = {line.partition('client="')[2].partition('"')[0] for line in series if 'client="' in line}
    assert 15 < len(clients) <= 21, "the busiest, and `other`"
    assert len([line for line in series if line.startswith("inference_stage_seconds_count")]) == 50 * 9
