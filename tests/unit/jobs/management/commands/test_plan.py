"""`manage.py plan` from its file to its exit status and its files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from django.core.management import CommandError, call_command

from jobs.core.planning.plan_report import FleetPlan

SCHEMA = Path("jobs/management/plan/plan.schema.json")
EXAMPLE = Path("compose/plan.example.toml")
PNG = b"\x89PNG\r\n\x1a\n"

SMALL = """
zones = ["a", "b"]
survive_zones = 1
[devices.l4]
price_per_h = 1.0
memory_gib = 24
[models.minilm]
p95_goal_s = 0.3
memory_gib = 2
fixed_s = 0.04
per_job_s = 0.0005
max_batch = 32
arrivals_per_s = [100, 400]
"""


def status_of(*words: Any) -> tuple[int, str]:
    try:
        call_command("plan", *map(str, words))
    except SystemExit as end:
        return int(str(end.code)), ""
    except CommandError as error:
        return error.returncode, str(error)
    return 0, ""


def written(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def test_the_same_file_writes_the_same_document_of_the_schema_and_a_chart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, SMALL)
    for name in ("one", "two"):
        assert status_of(path, "--out", tmp_path / name) == (0, "")
    document = (tmp_path / "one" / "plan.json").read_bytes()
    assert document == (tmp_path / "two" / "plan.json").read_bytes()
    assert (tmp_path / "one" / "plan.png").read_bytes().startswith(PNG)
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(json.loads(document))
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == "holds"
    assert re.search(r"l4: a \d+, b \d+", shown)


def test_the_schema_is_that_of_the_plan() -> None:
    """Where they differ on purpose, write `own` into the file."""
    own = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(FleetPlan)), indent=1).decode() + "\n"
    assert SCHEMA.read_text() == own


def test_the_example_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(EXAMPLE) == (0, "")
    shown = capsys.readouterr().out
    assert "zone" in shown
    assert "minilm: workers by hour" in shown


@pytest.mark.parametrize(
    ("old", "new", "status", "words"),
    [
        ('"b"]', '"b"', 2, "is no TOML"),
        ("memory_gib = 24", 'memory_gib = 24\nzones = ["d"]', 2, "devices.l4.zones names an unknown zone d"),
        ("max_batch", "max_bath", 2, "models.minilm.max_bath; did you mean max_batch"),
        ("[100, 400]", "[100, nan]", 2, "models.minilm.arrivals_per_s"),
        ("[100, 400]", "[]", 2, "models.minilm.arrivals_per_s"),
        ("0.3", "0.03", 1, "infeasible: At hour 0 no number of workers meets the goal"),
        ("[100, 400]", "[100, 4000]", 1, ""),
    ],
)
def test_what_is_wrong_decides_the_exit_status(
    old: str, new: str, status: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, message = status_of(written(tmp_path, SMALL.replace(old, new)))
    assert seen == status
    assert words in message
    if not words:
        assert "postgres can do 1,538 jobs/s, hour 1 has 4,000" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_or_a_folder_that_cannot_be_written_is_status_2(tmp_path: Path) -> None:
    assert status_of(tmp_path / "none.toml")[0] == 2
    assert status_of(written(tmp_path, SMALL), "--out", tmp_path / "plan.toml" / "below")[0] == 2
