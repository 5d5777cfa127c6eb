"""The figures of a run of the demo, from the timestamps of its jobs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from inference_client import RemoteJob


@dataclass(frozen=True, slots=True)
class Figures:
    """The keys of `.run/demo.json`; times in seconds, speed in jobs per second."""

    jobs: int
    succeeded: int
    throughput_per_s: float
    latency_p50_s: float
    latency_p95_s: float
    mean_batch: float
    share_of_direct: float

    def write(self, path: Path) -> None:
        """Replace the file with these figures as one JSON object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return the smallest value that at least `fraction` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


def figures(jobs: Sequence[RemoteJob], *, mean_batch: float, direct_per_s: float) -> Figures:
    """Return the figures of ended jobs; the throughput counts from the first submit to the last result."""
    done = [job for job in jobs if job.state == "succeeded"]
    spans = [(job.created_at.timestamp(), job.finished_at.timestamp()) for job in done if job.finished_at]
    waits = [end - start for start, end in spans] or [0.0]
    span_s = max(end for _, end in spans) - min(start for start, _ in spans) if spans else 0.0
    speed = len(done) / span_s if span_s else 0.0
    return Figures(
        jobs=len(jobs),
        succeeded=len(done),
        throughput_per_s=round(speed, 1),
        latency_p50_s=round(percentile(waits, 0.5), 3),
        latency_p95_s=round(percentile(waits, 0.95), 3),
        mean_batch=round(mean_batch, 1),
        share_of_direct=round(speed / direct_per_s, 2),
    )
