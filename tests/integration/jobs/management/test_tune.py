"""`manage.py tune` on registered models: what is missing, what it finds, and what its command registers."""

from __future__ import annotations

import json
import random
import shlex
from datetime import timedelta
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.core.states import State
from jobs.core.tuning.bench import Effort
from jobs.core.tuning.tune_report import TuneReport
from jobs.db.new_ids import new_id
from jobs.management.commands import tune as command
from jobs.models import Batch, Job
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.support.factories import make_jobs, make_version, make_worker

SCHEMA = Path("jobs/management/tune/tune.schema.json")
SMALL = Effort(
    candidates=8, screen_jobs=60, replications=3, jobs=80, fresh_replications=4, fresh_jobs=100, step=0.1,
    goals=5.0, longer=2.0,
)  # fmt: skip
BY_HAND = ("--base-s", "0.02", "--per-item-s", "0.002")
FEW = ("--most-batch", "8", "--most-lanes", "1")


@pytest.fixture(autouse=True)
def _small(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    selectors.forget()  # because ids begin at 1 again with each test
    monkeypatch.setattr(command, "Effort", lambda: SMALL)


def status_of(*words: str) -> int:
    try:
        call_command("tune", *words)
    except SystemExit as end:
        return int(str(end.code))
    except CommandError as error:
        return error.returncode
    return 0


def report_in(folder: Path) -> TuneReport:
    text = (folder / "tune.json").read_bytes()
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(json.loads(text))
    return msgspec.json.decode(text, type=TuneReport)


def test_without_history_and_times_the_status_is_2_and_the_sentence_says_what_is_missing(
    tmp_path: Path,
) -> None:
    make_version("echo")
    with pytest.raises(CommandError, match=r"No batch of echo:1 .*--base-s and --per-item-s") as caught:
        call_command("tune", "echo", "--goal", "p95=1s", "--out", str(tmp_path))
    assert caught.value.returncode == 2
    assert status_of("nothing", "--goal", "p95=1s", "--out", str(tmp_path)) == 2
    assert not (tmp_path / "tune.json").exists()


def test_the_settings_are_written_and_the_command_registers_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = make_version("echo", max_batch=64)
    words = ("echo", "--goal", "p95=200ms", "--rate", "40", *BY_HAND, *FEW, "--out", str(tmp_path))
    assert status_of(*words) == 0
    report = report_in(tmp_path)
    assert report.verdict == "tuned"
    assert report.asked is not None
    assert report.asked.upper_ms is not None
    assert report.asked.upper_ms <= 200.0
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert all(line in capsys.readouterr().out.splitlines() for line in report.commands[:1])
    registration = shlex.split(report.commands[0])[2:]  # behind Python and manage.py
    call_command(*registration, "--no-load")
    new = selectors.resolve(f"echo:{registration[2]}")
    assert new.max_batch == report.asked.setting.max_batch <= 8
    assert new.p95_goal_s == 0.2
    assert (new.artifact, new.loader, new.input_schema) == (
        version.artifact,
        version.loader,
        version.input_schema,
    )


def test_a_goal_out_of_reach_is_status_1_with_the_workers_that_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_version("echo")
    words = ("echo", "--goal", "p95=200ms", "--rate", "500", *BY_HAND, *FEW, "--out", str(tmp_path))
    assert status_of(*words) == 1
    report = report_in(tmp_path)
    assert (report.verdict, report.asked, report.commands) == ("infeasible", None, [])
    assert report.workers_needed in {3, 4}  # 8 items in 36 ms are 222/s of a worker
    assert "workers would do" in capsys.readouterr().out


def test_a_goal_below_the_fixed_time_is_infeasible_whatever_the_workers(tmp_path: Path) -> None:
    make_version("echo")
    assert status_of("echo", "--goal", "p95=15ms", *BY_HAND, *FEW, "--out", str(tmp_path)) == 1
    report = report_in(tmp_path)
    assert report.workers_needed is None
    assert report.best_ms is not None
    assert report.best_ms > 20.0


def record_runs(version_id: int, count: int) -> None:
    """Batches of 8 items in 36 ms, as the times by hand say."""
    worker = make_worker()
    for number in range(count):
        size = 1 + number % 8
        ran_s = 0.02 + 0.002 * size
        ended = timezone.now() - timedelta(seconds=number)
        Batch.objects.create(
            id=new_id(), worker=worker, version_id=version_id, members=[], size=size, padded_size=size,
            seal_reason="full", sealed_ago_s=0.001, claim_s=0.002, lane_s=0.0, ran_s=ran_s,
            claimed_at=ended - timedelta(seconds=ran_s), finished_at=ended,
        )  # fmt: skip


def test_one_time_by_hand_replaces_that_on_record_alone(tmp_path: Path) -> None:
    record_runs(make_version("echo").id, 60)
    assert status_of("echo", "--goal", "p95=300ms", *FEW, "--out", str(tmp_path)) == 0
    learned = report_in(tmp_path).times
    assert learned.base_s == pytest.approx(0.02, abs=0.001)
    assert learned.per_unit_s == pytest.approx(0.002, abs=2e-4)
    words = ("echo", "--goal", "p95=300ms", *FEW, "--out", str(tmp_path), "--base-s", "0.05")
    assert status_of(*words) == 0
    own = report_in(tmp_path).times
    assert (own.base_s, own.per_unit_s, own.runs) == (0.05, learned.per_unit_s, 60)


def test_a_run_that_takes_no_time_is_refused(tmp_path: Path) -> None:
    make_version("echo")
    words = ("echo", "--goal", "p95=1s", "--base-s", "0", "--per-item-s", "0", "--out", str(tmp_path))
    with pytest.raises(CommandError, match="--base-s and --per-item-s: a run that takes no time") as caught:
        call_command("tune", *words)
    assert caught.value.returncode == 2


def test_the_recorded_jobs_have_the_rate_that_the_fewest_workers_are_found_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = make_version("echo")
    words = ("echo", "--goal", "p95=200ms", "--from-history", "--min-workers", *BY_HAND, *FEW)
    with pytest.raises(CommandError, match=r"Only 0 jobs of echo are on record, and 500 are needed"):
        call_command("tune", *words, "--out", str(tmp_path))
    record_jobs(version, jobs=600, per_s=400.0)
    assert status_of(*words, "--out", str(tmp_path)) == 0
    report = report_in(tmp_path)
    assert report.rate_per_s == pytest.approx(400.0, rel=0.02)
    assert report.workers in {2, 3}  # 8 items in 36 ms are 222/s of a worker
    assert sum("gpu_worker" in line for line in report.commands) == report.workers
    assert f"{report.workers} workers" in capsys.readouterr().out


def record_jobs(version: ModelVersion, *, jobs: int, per_s: float) -> None:
    chance, at = random.Random(1), timezone.now() - timedelta(hours=1)
    rows = make_jobs(jobs, version=version, state=State.SUCCEEDED)
    for row in rows:
        row.created_at = at = at + timedelta(seconds=chance.expovariate(per_s))
    Job.objects.bulk_update(rows, ["created_at"])


def test_the_schema_is_that_of_the_report() -> None:
    """Where they differ on purpose, write `own` into the file."""
    own = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(TuneReport)), indent=1).decode() + "\n"
    assert SCHEMA.read_text() == own
