"""`manage.py simulate_rollout` from its arguments to its report and its picture, without servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

SMALL = ("--daily", "400000", "--days", "0.05", "--runs", "3")


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    call_command("simulate_rollout", *words)
    return capsys.readouterr().out


def report_of(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(output_of(capsys, *words, "--json"))
    return report


def test_a_broken_candidate_is_rolled_back_within_a_few_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(capsys, *SMALL, "--worse", "0.9")
    assert (report["rolled_back"], report["promoted"], report["ends"]) == (
        1.0,
        0.0,
        {"rolled_back: failures": 3},
    )
    assert report["met_p90"] < 20
    assert report["within_a_tick"]
    assert report["example"].startswith("Rolled back for failures: ")


def test_a_good_one_is_not_whatever_the_options_add(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--aa", "--drift", "0.05", "--lag", "--sticky", "300", "--bad-client", "--duels", "20")
    assert report_of(capsys, *SMALL, *words)["rolled_back"] == 0.0


def test_the_budget_option_holds_it(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(capsys, "--daily", "1000000", "--runs", "2", "--budget", "60", "--errors", "0.001")
    assert report["ends"] == {"held: budget": 2}
    assert 60 <= report["met_median"] <= 70


def test_the_text_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    out = output_of(capsys, *SMALL, "--worse", "0.9")
    assert "3 roll-outs, budget 4,000 jobs" in out
    assert "100.00%  rolled_back: failures" in out
    assert "never more than one tick's claims above it" in out


def test_equal_seeds_give_equal_reports(capsys: pytest.CaptureFixture[str]) -> None:
    one, again, other = (output_of(capsys, *SMALL, "--worse", "0.2", "--seed", seed) for seed in "778")
    assert one == again != other


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_first_roll_out_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    path = tmp_path / f"rollout.{suffix}"
    output_of(capsys, *SMALL, "--worse", "0.5", "--picture", str(path))
    assert path.stat().st_size > 5_000
    assert path.read_bytes()[:4] in {b"\x89PNG", b"<?xm"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--daily", "0"), "daily"),
        (("--daily", "nan"), "daily"),
        (("--errors", "1.5"), "errors"),
        (("--errors", "nan"), "errors"),
        (("--worse", "-0.1"), "worse"),
        (("--drift", "7"), "drift"),
        (("--slower", "0"), "slower"),
        (("--runs", "0"), "runs"),
        (("--budget", "0"), "budget"),
        (("--sticky", "-1"), "clients"),
        (("--days", "-1"), "horizon_s"),
        (("--aa", "--worse", "0.1"), "--aa"),
    ],
)
def test_senseless_options_are_refused_by_name(words: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        call_command("simulate_rollout", *words)


def test_a_picture_in_no_known_format_is_refused_before_anything_runs() -> None:
    with pytest.raises(CommandError, match="picture"):
        call_command("simulate_rollout", *SMALL, "--picture", "rollout.gif")
