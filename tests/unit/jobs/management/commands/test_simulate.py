"""`manage.py simulate` from its arguments to its table and its picture, without servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from jobs.core.simulation.plan import Crew
from jobs.management.commands.simulate import Command
from jobs.management.simulate.runs import plan_of, runs
from jobs.management.simulate.simulation_arguments import SimulationArguments
from jobs.management.simulate.sources import recorded
from jobs.worker.pipeline import AHEAD

MODEL = ("--base-s", "0.04", "--per-item-s", "0.0005", "--max-batch", "32")
PNG = b"\x89PNG\r\n\x1a\n"


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    call_command("simulate", *words)
    return capsys.readouterr().out


def test_a_rate_gives_one_row_with_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    out = output_of(capsys, "--rate", "400", *MODEL, "--duration-s", "20")
    (row,) = (line for line in out.splitlines() if line.startswith("│"))
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[0] in {"69%", "70%", "71%"}
    assert float(cells[2]) == pytest.approx(400, rel=0.05)
    assert float(cells[5]) < float(cells[6]) < float(cells[7]) < 107
    assert "idle" in cells[-1]
    assert re.search(r"[\d.,]+ times as fast", out)


def test_loads_are_shares_of_the_capacity(capsys: pytest.CaptureFixture[str]) -> None:
    out = output_of(capsys, "--loads", "0.2,0.9", *MODEL, "--duration-s", "30", "--workers", "2")
    assert "capacity 1,142.9 jobs/s" in out
    offered = [float(line.split("│")[2].replace(",", "")) for line in out.splitlines() if line[:1] == "│"]
    assert offered == pytest.approx([0.2 * 1142.9, 0.9 * 1142.9], rel=0.05)


def test_the_same_seed_gives_the_same_result(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--rate", "300", *MODEL, "--duration-s", "5", "--jitter", "0.2", "--seed")
    table, again, other = (output_of(capsys, *words, seed).rsplit("\n", 2)[0] for seed in ("7", "7", "8"))
    assert table == again != other


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--rate", "0"), "argument --rate: 0 is not above 0"),
        (("--rate", "nan"), "argument --rate: nan is no number that can be simulated"),
        (("--lanes", "two"), "argument --lanes: two is no whole number"),
        (("--sizes", "a-3"), "argument --sizes: a is no whole number"),
        (("--priorities", "4,x"), "argument --priorities: x is no whole number"),
        (("--seed", "x"), "argument --seed: x is no whole number"),
        (("--depth", "x"), "argument --depth: x is no whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_option_that_makes_no_sense_is_named_in_one_sentence(
    words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("simulate", *words)
    assert str(caught.value) == f"Error: {sentence}"


def test_the_usage_above_that_sentence_is_one_line() -> None:
    (line,) = Command().create_parser("manage.py", "simulate").format_usage().strip().splitlines()
    assert line.startswith("usage: manage.py simulate [--rate N |")


def test_an_overload_is_refused_at_admission_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--rate", "700", *MODEL, "--duration-s", "20", "--goal-s", "0.5")
    assert "│ 0 " in output_of(capsys, *words)
    (run,) = runs(
        SimulationArguments(
            rate=700.0, duration_s=20.0, base_s=0.04, per_item_s=0.0005, max_batch=32, goal_s=0.5, shed=True
        )
    )
    assert run.report.refused > 1_000
    assert run.report.latency_s(0.95) < 0.5


def test_the_curves_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "curves.png"
    output_of(capsys, "--loads", "0.3,0.6,0.9", *MODEL, "--duration-s", "5", "--png", str(path))
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 10_000


def test_a_file_s_jobs_come_in_order_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("arrival_s,size,priority,client,version\n101.5,30,9,2,7\n100,,,,\n")
    first, second = recorded(SimulationArguments(csv=str(path))) or []
    assert (first.at_s, first.size, first.priority, first.version) == (0.0, 1, 4, 0)
    assert (second.at_s, second.size, second.priority, second.client, second.version) == (1.5, 30, 9, 2, 7)


def test_a_file_s_jobs_are_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("arrival_s\n" + "\n".join(str(number / 50) for number in range(500)))
    out = output_of(capsys, "--csv", str(path), *MODEL)
    assert "│ 50.1 " in out


@pytest.mark.parametrize(
    "text", ["arrival_s\n", "arrival_s\nsoon\n", "at\n1\n", "arrival_s,priority\n1,12\n", "arrival_s\nnan\n"]
)
def test_a_file_without_jobs_is_an_error_and_no_traceback(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(text)
    with pytest.raises(CommandError) as error:
        call_command("simulate", "--csv", str(path))
    assert error.value.returncode == 2


def test_a_simulated_worker_claims_ahead_as_a_real_one() -> None:
    assert Crew().ahead == plan_of(SimulationArguments(), {0}).crew.ahead == AHEAD
