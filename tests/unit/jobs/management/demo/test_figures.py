"""The figures follow from the jobs' timestamps alone."""

import json
from pathlib import Path
from uuid import UUID

import msgspec

from inference_client import RemoteJob
from jobs.management.demo.figures import figures, percentile

KEYS = [
    "jobs",
    "succeeded",
    "throughput_per_s",
    "latency_p50_s",
    "latency_p95_s",
    "mean_batch",
    "share_of_direct",
]


def job(*, start_s: int, end_s: int, state: str = "succeeded") -> RemoteJob:
    at = "2026-01-01T00:00:{:02d}.500000Z"
    columns = {"state": state, "created_at": at.format(start_s), "finished_at": at.format(end_s)}
    others = {"id": UUID(int=0), "model": "minilm", "version": "1", "attempts": 1}
    return msgspec.convert({**others, **columns, "urls": {"self": "", "wait": "", "cancel": ""}}, RemoteJob)


def test_throughput_runs_from_the_first_request_to_the_last_result() -> None:
    result = figures([job(start_s=0, end_s=4), job(start_s=1, end_s=10)], mean_batch=2.0, direct_per_s=0.1)
    assert (result.throughput_per_s, result.share_of_direct) == (0.2, 2.0)


def test_latency_is_each_job_s_own() -> None:
    result = figures([job(start_s=0, end_s=4), job(start_s=1, end_s=10)], mean_batch=2.0, direct_per_s=1.0)
    assert (result.latency_p50_s, result.latency_p95_s) == (4.0, 9.0)


def test_jobs_that_failed_count_as_jobs_only() -> None:
    dead = job(start_s=0, end_s=59, state="dead")
    result = figures([job(start_s=0, end_s=1), dead], mean_batch=1.0, direct_per_s=1.0)
    assert (result.jobs, result.succeeded, result.latency_p95_s) == (2, 1, 1.0)


def test_nothing_succeeded_is_no_division_by_zero() -> None:
    assert figures([], mean_batch=0.0, direct_per_s=1.0).throughput_per_s == 0.0


def test_the_file_holds_exactly_the_promised_keys(tmp_path: Path) -> None:
    path = tmp_path / "run" / "demo.json"
    figures([job(start_s=0, end_s=1)], mean_batch=1.0, direct_per_s=1.0).write(path)
    assert list(json.loads(path.read_text())) == KEYS


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 2.0, 3.0, 3.0]
