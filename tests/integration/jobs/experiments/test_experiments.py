"""An experiment from its hypothesis to its reproduction, with the load test replaced by reports."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from inference_site.config import Config
from inference_site.process_needs import SECRETS
from jobs.core.loadtest.load_report import LoadReport
from jobs.management.experiments import experiment_verbs, measured_ground
from jobs.management.loadtest.load_arguments import LoadArguments
from jobs.models import Experiment, Measurement
from tests.unit.jobs.core.loadtest.reports import made_up

Reports = Callable[[LoadReport], None]
START = ("start", "--hypothesis", "it is faster", "--load", "minilm --rate 50 --seed 7 --slo p95=1s")


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A clean working tree in place of this one, which may be dirty while it is worked on."""
    git(tmp_path, "init")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "one")
    monkeypatch.setattr(measured_ground, "ROOT", tmp_path)
    yield tmp_path
    shutil.rmtree(tmp_path / ".git")


@pytest.fixture
def next_report(monkeypatch: pytest.MonkeyPatch) -> Reports:
    """Lets the next load test have this report, and checks that it is the load on record."""
    reports: list[LoadReport] = []

    def run(arguments: LoadArguments) -> LoadReport:
        assert (arguments.rate, arguments.seed, arguments.mix[0].model) == (50, 7, "minilm")
        return reports.pop()

    monkeypatch.setattr(experiment_verbs, "run_load", run)
    return reports.append


def seen(slower: float) -> LoadReport:
    return made_up(lambda rng: slower * (0.1 + 0.02 * rng.random()), seed=round(slower))


def platform(**changed: Any) -> override_settings:
    """Return the platform with other settings."""
    return override_settings(INFERENCE=replace(settings.INFERENCE, **changed))


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    try:
        call_command("experiment", *map(str, words))
    except SystemExit as end:
        return int(str(end.code)), capsys.readouterr().out
    except CommandError as error:
        return error.returncode, str(error)
    return 0, capsys.readouterr().out


def test_from_hypothesis_to_reproduction(
    db: str,
    tree: Path,
    next_report: Reports,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert said(capsys, *START)[0] == 0
    row = Experiment.objects.get()
    assert (row.seed, len(row.revision), row.verdict) == (7, 40, "")
    assert row.settings["QUEUE_DEPTH"] == 0, "the platform's own settings, by the names of their variables"
    assert not [name for name in row.settings if "SECRET" in name or "URL" in name]
    assert not SECRETS & set(row.settings)
    hidden = {getattr(settings.INFERENCE, own.name) for own in fields(Config) if not own.repr}
    assert settings.INFERENCE.database_url in hidden
    assert not {value for value in hidden if value} & set(row.settings.values())
    assert row.settings["BATCH_LIMIT_S"] == settings.INFERENCE.batch_limit_s
    assert row.settings["ALLOWED_HOSTS"] == ",".join(settings.INFERENCE.allowed_hosts)
    assert said(capsys, "conclude", row.pk) == (2, f"Experiment {row.pk} has no measurement of its baseline.")
    assert said(capsys, "reproduce", row.pk)[0] == 2
    for arm, factor, scale_idle_s in (("baseline", 2.0, 5.0), ("candidate", 1.0, 6.0)):
        next_report(seen(factor))
        with platform(scale_idle_s=scale_idle_s):
            assert said(capsys, "measure", row.pk, "--arm", arm)[0] == 0
    status, text = said(capsys, "conclude", row.pk)
    assert (status, "is supported: the candidate is better" in text) == (0, True)
    assert text.splitlines()[1:] == ["SCALE_IDLE_S differs: 5.0 in the baseline, 6.0 in the candidate"]
    assert said(capsys, "measure", row.pk, "--arm", "candidate")[0] == 2
    assert said(capsys, "conclude", row.pk) == (2, f"Experiment {row.pk} is concluded: supported.")

    next_report(seen(1.0))
    with platform(scale_idle_s=6.0):
        status, text = said(capsys, "reproduce", row.pk)
    assert (status, text.splitlines()[1]) == (0, "no setting differs")
    assert text.startswith("agrees: the new run is same")

    (tree / "file").write_text("b")
    git(tree, "commit", "-am", "two")
    next_report(seen(3.0))
    with platform(scale_idle_s=3.0):
        status, text = said(capsys, "reproduce", row.pk)
    assert status == 1
    assert text.startswith("disagrees: the new run is worse")
    assert f"revision differs: {row.revision} on record" in text
    assert "SCALE_IDLE_S differs: 6.0 on record, 3.0 now" in text
    assert Measurement.objects.filter(arm="reproduction").count() == 2


def test_a_dirty_tree_is_refused_before_anything_is_sent(
    db: str, tree: Path, next_report: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, *START)
    number = Experiment.objects.get().pk
    (tree / "file").write_text("b")
    next_report(seen(1.0))
    for words in (START, ("measure", number, "--arm", "baseline"), ("reproduce", number)):
        status, text = said(capsys, *words)
        assert status == 2
        assert "differs from its commit" in text
    assert not Measurement.objects.exists()
    assert Experiment.objects.count() == 1


def test_outside_of_a_checkout_it_says_so(
    db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measured_ground, "ROOT", tmp_path)
    assert "run it in a checkout" in said(capsys, *START)[1]


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ("minilm --rate 0", "--rate: 0 is no rate"),
        ("minilm --sped 2", "unrecognized arguments: --sped"),
        ("minilm --token abc", "a token becomes no row"),
        ("minilm --out x", "--compare and --out"),
        ("minilm --rate", "--rate: expected one argument"),
        ("minilm --input 'x", "--load: No closing quotation"),
        ("minilm --seed 9999999999999999999", "is no whole number of at most 18 digits"),
    ],
)
def test_a_load_that_cannot_run_is_no_experiment(
    db: str, tree: Path, load: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = said(capsys, *START[:4], load)
    assert (status, words in text) == (2, True), text
    assert not Experiment.objects.exists()


def test_an_unknown_experiment_and_an_invalid_run_that_is_measured_again(
    db: str, tree: Path, next_report: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "conclude", 7) == (2, "There is no experiment 7.")
    said(capsys, *START)
    number = Experiment.objects.get().pk
    next_report(seen(2.0))
    assert said(capsys, "measure", number, "--arm", "baseline")[0] == 0
    next_report(msgspec.structs.replace(seen(1.0), verdict="invalid", reasons=["the sender was late"]))
    status, text = said(capsys, "measure", number, "--arm", "candidate")
    assert (status, text.splitlines()[1]) == (3, "the sender was late")
    status, text = said(capsys, "conclude", number)
    assert (status, "is invalid" in text) == (3, True)
    assert text.splitlines()[-1] == "Measure the candidate again: the sender was late."
    assert "there is no result to reproduce" in said(capsys, "reproduce", number)[1]
    next_report(seen(1.0))
    assert said(capsys, "measure", number, "--arm", "candidate")[0] == 0
    assert "is supported" in said(capsys, "conclude", number)[1]
