"""The models that the README and the page on models show are registered, loaded and answer."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from tests.support.app import App, manage, stack_env
from tests.support.documents import ROOT, Written, page, shown_model, written
from tests.support.own_worker import own_worker

INDEX = 7
README = written(ROOT / "README.md")


def shown_lines(document: Written, start: str) -> list[str]:
    """Return the shell lines that a document shows and that begin so."""
    texts = [fence.text for fence in document.fences if fence.language == "bash"]
    return [line for text in texts for line in text.splitlines() if line.startswith(start)]


def said(words: Sequence[str], where: Path, env: Mapping[str, str]) -> str:
    ended = subprocess.run(words, cwd=where, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


def test_the_readme_s_digits_are_served_from_their_folder(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "model.py").write_text(shown_model(README, "digits/model"))
    env: dict[str, Any] = {"MODEL_DIR": str(tmp_path / "models"), "MODEL_FOLDERS": "digits"}
    manage(stack, "register_model", str(tmp_path / "digits"), "--alias", "default", env=env)
    (line,) = shown_lines(README, ".venv/bin/python -c")
    code = shlex.split(line)[2].replace(".run/stack.json", str(stack.run_dir / "stack.json"))
    with own_worker(stack, "digits", index=INDEX, **env):
        assert said([sys.executable, "-c", code], PROJECT, stack_env(stack)) == "{'digit': 7}\n"


def test_the_commands_for_a_folder_work_as_the_page_shows_them(stack: Stack, tmp_path: Path) -> None:
    env = stack_env(stack) | {"MODEL_DIR": str(tmp_path / "models")}
    steps = [
        f".venv/bin/python manage.py {step}" for step in ("new_model", "try_model .", "register_model .")
    ]
    lines = [line for step in steps for line in shown_lines(page("models"), step)]
    commands = [[sys.executable, str(PROJECT / "manage.py"), *shlex.split(line)[2:]] for line in lines]
    _, tried, registered = (said(words, tmp_path, env) for words in commands)
    assert tried == '{"text": "HI"}\n'
    assert re.match("shout:[0-9a-f]{12} is registered", registered)


def test_an_entry_point_is_registered_loaded_and_answers(stack: Stack, app: App, tmp_path: Path) -> None:
    (tmp_path / "shout.py").write_text(shown_model(page("models"), "shout"))
    words = ("--loader", "entry_point", "--artifact", "shout:load", "--alias", "default")
    manage(stack, "register_model", "shouted", "1", *words, "--example", '{"text": "hi"}')
    node = f"gpu-{INDEX}@{socket.gethostname()}"
    path = str(tmp_path)
    with own_worker(stack, "echo", index=INDEX, MODEL_ENTRY_POINTS="shout:load", PYTHONPATH=path):
        assert manage(stack, "load_model", "shouted", "--worker", node) == f"{node}: shouted serving\n"
        ended = app.finished(app.submit("shouted", {"text": "hi"})["id"])
        assert (ended["state"], ended["output"]) == ("succeeded", {"text": "HI"})
