"""A backlog drained by one worker, all of it in the broker before the worker starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from jobs.management.demo.corpus import sentences
from tests.benchmarks.bed import Bed
from tests.support.wait import wait_until

Job = dict[str, Any]
BULK = 10_000
LIMIT_S = 300.0
DEPTH = {"QUEUE_DEPTH": "100000"}  # the relay publishes the whole backlog


@dataclass(frozen=True, slots=True)
class Drained:
    """Jobs posted after `since` (Unix seconds), and the `seconds` from first claim to last result."""

    since: float
    jobs: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.jobs / self.seconds


def same(model: str, count: int) -> list[Job]:
    """Return jobs of a model that takes an empty object."""
    return [{"model": model, "input": {}}] * count


def real(count: int) -> list[Job]:
    """Return MiniLM jobs on distinct English sentences of 5 to 40 words, in the order of their texts."""
    texts = sentences(count)
    assert len(texts) == count, f"the corpus has only {len(texts)} sentences"
    return [{"model": "minilm", "input": {"text": text}} for text in texts]


def drained(
    ground: Bed, jobs: Sequence[Job], models: str, *, lanes: int = 1, published: bool = True
) -> Drained:
    """Post `jobs`, start a worker for `models` once all are published, and wait for the last result.

    Without `DEPTH` the relay publishes no more than a worker can hold: then pass `published=False`.
    """
    since = ground.one("SELECT extract(epoch FROM clock_timestamp())::float8")
    mine = f"created_at >= to_timestamp({since!r})"
    post(ground, jobs)
    if published:
        ground.until("SELECT count(*) FROM jobs_outbox WHERE published = 0", 0)
    with ground.worker(models, lanes=lanes) as worker:
        _wait_until_all_succeeded(ground, worker, mine)
    seconds = ground.one(
        f"SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM jobs_job WHERE {mine}"
    )
    return Drained(since, len(jobs), seconds)


def _wait_until_all_succeeded(ground: Bed, worker: psutil.Process, condition: str) -> None:
    live = f"SELECT count(*) FROM jobs_job WHERE {condition} AND state <> 'succeeded'"

    def all_succeeded() -> bool:
        assert worker.status() != psutil.STATUS_ZOMBIE, "the worker has ended"
        return not ground.one(live)

    wait_until(
        all_succeeded, limit_s=LIMIT_S, every_s=0.2, what=lambda: f"the end of {ground.one(live)} jobs"
    )


def post(ground: Bed, jobs: Sequence[Job]) -> None:
    """Post different jobs, ten thousand a call."""
    for start in range(0, len(jobs), BULK):
        answer = ground.http.post("/api/v1/jobs/bulk", json=jobs[start : start + BULK])
        assert answer.raise_for_status().json()["rejected"] == 0, answer.text[:500]
