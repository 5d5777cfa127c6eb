"""Readings of the live page, made up."""

from __future__ import annotations

from typing import Any

from jobs.api.operations.latest_reading import LatestReading, Made
from jobs.core.operations.operations_history import HistoryPoint
from jobs.core.operations.operations_reading import (
    ClientReading,
    FailureReading,
    ModelReading,
    PartReading,
    Percentiles,
    Reading,
    Red,
    RedKind,
    RelayReading,
    Severity,
    WorkerReading,
)

AT = 1_795_966_200.0  # 2026-11-29 15:30:00 UTC
QUICK = Percentiles(count=600, p50_s=0.06, p95_s=0.19, p99_s=1.25)
POINT = HistoryPoint(at=int(AT), in_per_s=30.0, out_per_s=29.0, waiting=7, p50_s=0.06, p95_s=0.19, p99_s=1.25)


def model_reading(name: str = "echo", **figures: Any) -> ModelReading:
    """Return a model with a worker, of which ten jobs wait."""
    usual: dict[str, Any] = {
        "model": name, "href": f"/admin/jobs/queuestanding/{name}/change/",
        "waiting_href": "/admin/jobs/job/",
        "total": QUICK, "stages": {"run": QUICK}, "goal_s": 0.2, "goal_met": 0.99, "in_per_s": 30.0,
        "out_per_s": 29.5, "capacity_per_s": 90.0, "waiting": [0, 0, 0, 0, 0, 7, 0, 0, 0, 3],
        "oldest_s": [0.0, 0.0, 0.0, 0.0, 0.0, 75.0, 0.0, 0.0, 0.0, 0.5], "wait_s": 0.4, "workers_busy": 1,
        "workers_idle": 1, "workers_silent": 0, "workers_wanted": 2, "lanes": 4, "batches": 2,
        "batch_jobs": 31,
        "batch_size": 15.8, "padding": 0.071, "seals": {"full": 3, "linger": 1}, "retries": 0, "died": 0,
        "held": None, "failures": [], "dead_letters": 0, "newest": POINT,
    }  # fmt: skip
    return ModelReading(**{**usual, **figures})


def failure(**figures: Any) -> FailureReading:
    """Return a group of dead letters."""
    usual: dict[str, Any] = {
        "kind": "model", "fingerprint": "model/ValueError/tokenise.py:encode", "count": 212,
        "first": AT - 7_200, "last": AT - 4, "href": "/admin/jobs/deadletter/?model=echo",
    }  # fmt: skip
    return FailureReading(**{**usual, **figures})


def worker_reading(node: str = "gpu-0@host", **figures: Any) -> WorkerReading:
    """Return a worker that lives."""
    usual: dict[str, Any] = {
        "node": node, "href": "/admin/jobs/worker/1/change/", "host": "host", "zone": "",
        "device": "NVIDIA H200",
        "models": ["echo"], "alive": True, "heartbeat_age_s": 0.8, "since": AT - 90, "lanes": 2, "lane": "",
        "batches": 2,
        "batch_jobs": 31, "out_per_s": 150.0, "total": QUICK, "loaded": [],
        "memory_used_bytes": 31_400_000_000,
        "memory_total_bytes": 141_000_000_000,
    }  # fmt: skip
    return WorkerReading(**{**usual, **figures})


def red(kind: RedKind, text: str, **figures: Any) -> Red:
    """Return something that is red, or held on purpose."""
    severity = Severity.AMBER if kind is RedKind.PAUSED else Severity.RED
    return Red(**{"kind": kind, "severity": severity, "text": text, "href": "/admin/jobs/job/", **figures})


def reading(**figures: Any) -> Reading:
    """Return a reading of one model, client, worker and relay, with nothing red."""
    client = ClientReading(
        client="search", href="/admin/jobs/client/1/change/", waiting=10, out_per_s=29.5, total=QUICK
    )
    usual: dict[str, Any] = {
        "at": AT, "age_s": 0.3, "window_s": 60.0, "red": [], "newest": POINT, "models": [model_reading()],
        "clients": [client], "workers": [worker_reading()],
        "relays": [RelayReading(label="relay@host:4711", alive=True, queues=["echo"], left_s=8.0)],
        "parts": {name: PartReading(ok=True, age_s=0.4, text="It works.") for name in ("database", "survey")},
        "watchers": 1,
    }  # fmt: skip
    return Reading(**{**usual, **figures})


class OneReading(LatestReading):
    """Always has one and the same reading, and asks no database."""

    def peek(self) -> Made:
        return Made(reading(), self._clock())

    get = peek
