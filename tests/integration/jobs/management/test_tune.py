"""`manage.py tune` on registered models: what is missing, what it finds, and what its command registers."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
from django.core.management import CommandError, call_command

from jobs.core.tuning.bench import Effort
from jobs.core.tuning.tune_report import TuneReport
from jobs.management.commands import tune as command
from models_registry import selectors
from tests.support.factories import make_version

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


def test_the_schema_is_that_of_the_report() -> None:
    """Where they differ on purpose, write `own` into the file."""
    own = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(TuneReport)), indent=1).decode() + "\n"
    assert SCHEMA.read_text() == own
