"""Where the smoke test cannot run it says so, with a status that only `.ci/run` lets pass, and aloud."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from inference_site.stack.services import PROJECT
from inference_site.stack.stack_errors import StackError
from tests.smoke import tools
from tests.smoke.__main__ import main
from tests.support.did_not_run import DID_NOT_RUN

MADE = '#!/bin/sh\necho "make $2"\n'
TRIED = '#!/bin/sh\necho "$2 $3 $4"\nexit {}\n'


def test_a_machine_without_the_programs_gets_a_status_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch() -> None:
        raise StackError("it needs Debian's package tools")

    monkeypatch.setattr(tools, "fetch", fetch)
    assert main(["--short"]) == DID_NOT_RUN
    assert "make smoke did NOT run: it needs Debian's package tools" in capsys.readouterr().out


def gates(folder: Path, smoke_status: int) -> subprocess.CompletedProcess[str]:
    """Run `.ci/run` in a tree whose `make` and smoke test do nothing."""
    (folder / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci" / "run", folder / ".ci" / "run")
    for place, text in (("bin/make", MADE), (".venv/bin/python", TRIED.format(smoke_status))):
        program = folder / place
        program.parent.mkdir(parents=True)
        program.write_text(text)
        program.chmod(0o755)
    env = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    words = [str(folder / ".ci" / "run")]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("status", "warnings"), [(0, 0), (DID_NOT_RUN, 1)])
def test_all_gates_run_and_a_smoke_test_that_could_not_is_named(
    tmp_path: Path, status: int, warnings: int
) -> None:
    ran = gates(tmp_path, status)
    assert ran.returncode == 0
    assert ran.stdout.count("the smoke test did not run on this machine") == warnings
    steps = [line for line in ran.stdout.splitlines() if not line.startswith("WARNING")]
    assert steps == ["make check", "make chaos", "tests.smoke --short ", "make test"]
    assert ran.stdout.splitlines()[-1] == "make test"  # whose last line is pytest's summary


@pytest.mark.parametrize("status", [1, 2])
def test_a_smoke_test_that_fails_ends_the_gates(tmp_path: Path, status: int) -> None:
    ran = gates(tmp_path, status)
    assert ran.returncode == status
    assert "make test" not in ran.stdout
