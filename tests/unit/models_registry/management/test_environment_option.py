from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inference_site.stack.services import PROJECT
from tests.support.wheels import tiny_wheel

WORDS = ("--loader", "entry_point", "--artifact", "ranker:load")


def test_a_command_names_what_is_missing_of_an_environment() -> None:
    with pytest.raises(CommandError, match=r"manage.py make_env none --requirements FILE` makes it"):
        call_command("register_model", "ranker", "1", *WORDS, "--env", "none")
    with pytest.raises(CommandError, match="--requirements needs --env NAME"):
        call_command("try_model", "ranker", "--input", "1", "--requirements", "file")
    with pytest.raises(CommandError, match="file cannot be read"):
        call_command("gpu_worker", "--cpu", "--models", "ranker", "--env", "none", "--requirements", "file")


def test_a_folder_is_tried_with_the_libraries_of_its_requirements(tmp_path: Path) -> None:
    (folder := tmp_path / "spammer").mkdir()
    code = (
        "import spam\nclass Model:\n    def run(self, inputs):\n        return [spam.VALUE for _ in inputs]\n"
    )
    (folder / "model.py").write_text(code)
    (folder / "requirements.txt").write_text(tiny_wheel(tmp_path, "spam", "1", "VALUE = 7"))
    variables = {"ENVS_DIR": str(tmp_path / "envs"), "PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1"}

    def tried() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, str(PROJECT / "manage.py"), "try_model", "./spammer", "--input", "{}"]
        env = {**os.environ, **variables}
        return subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    done = tried()
    assert done.stdout == "7\n", done.stderr
    (folder / "requirements.txt").write_text("spam==1")
    assert "spam has no `--hash=sha256:…`: name your libraries in requirements.in" in tried().stderr
