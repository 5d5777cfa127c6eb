"""The models that the README and the page on models show are registered, loaded and answer."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from tests.support.app import App, manage, stack_env
from tests.support.documents import ROOT, Written, page, shown_model, written
from tests.support.format_specimens import onnx_net
from tests.support.own_worker import own_worker
from tests.support.small_encoders import prompted

INDEX = 7
NODE = f"gpu-{INDEX}@{socket.gethostname()}"
WALKS = ("A scikit-learn classifier", "An ONNX file", "A Hugging Face model", "A folder")
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
    env: dict[str, Any] = {"ARTIFACT_CACHE_DIR": str(tmp_path / "copies"), "MODEL_FOLDERS": "digits"}
    manage(stack, "register_model", str(tmp_path / "digits"), "--alias", "default", env=env)
    (line,) = shown_lines(README, ".venv/bin/python -c")
    code = shlex.split(line)[2].replace(".run/stack.json", str(stack.run_dir / "stack.json"))
    with own_worker(stack, "digits", index=INDEX, **env):
        assert said([sys.executable, "-c", code], PROJECT, stack_env(stack)) == "{'digit': 7}\n"


def test_the_walks_lead_from_a_model_to_an_answer_as_the_page_shows_them(
    stack: Stack, app: App, tmp_path: Path
) -> None:
    onnx_net(tmp_path / "net.onnx")
    prompted(tmp_path).rename(tmp_path / "finder")
    env: dict[str, Any] = {"ARTIFACT_CACHE_DIR": str(tmp_path / "copies"), "MODEL_FOLDERS": "shout"}
    walk = partial(walked, stack, tmp_path, {**stack_env(stack), **env, "PYTHONPATH": str(PROJECT)})
    with own_worker(stack, "echo", index=INDEX, **env), ThreadPoolExecutor(2) as threads:
        list(threads.map(walk, WALKS))
        jobs = [app.submit("net", {"data": [1, 2, 3]})["id"], app.submit("shout", {"text": "ho"})["id"]]
        net, shout = [app.finished(job)["output"] for job in jobs]
    assert len(net["out"]) == 2
    assert shout == {"text": "HO"}


def walked(stack: Stack, where: Path, env: Mapping[str, str], title: str) -> None:
    """Run the blocks of a walk in order, and compare what they print with the comment on their line."""
    for fence in page("models").fences_of(title):
        if fence.language == "python":
            code = fence.text.replace(".run/stack.json", str(stack.run_dir / "stack.json"))
            _, _, shown = code.rstrip().partition("  # ")
            steps = [([sys.executable, "-c", code], shown)]
        else:
            steps = list(commands_of(fence.text))
        for words, shown in steps:
            printed = said(words, where, env)
            assert not shown or printed == f"{shown}\n", words


def commands_of(shell: str) -> Iterator[tuple[list[str], str]]:
    """Yield the management commands in a block, for the worker of this test, and what they should print."""
    for line in shell.replace("\\\n", " ").splitlines():
        command, _, shown = line.partition("  # ")
        words = shlex.split(command)
        if words[0] == "make":
            continue  # a stack of its own; tests/unit/test_documented_code.py reads its words
        assert words[:2] == [".venv/bin/python", "manage.py"]
        own = ["--worker", NODE] if words[2] == "load_model" else []
        yield [sys.executable, str(PROJECT / "manage.py"), *words[2:], *own], shown


def test_an_entry_point_is_registered_loaded_and_answers(stack: Stack, app: App, tmp_path: Path) -> None:
    (tmp_path / "shout.py").write_text(shown_model(page("models"), "shout"))
    words = ("--loader", "entry_point", "--artifact", "shout:load", "--alias", "default")
    manage(stack, "register_model", "shouted", "1", *words, "--example", '{"text": "hi"}')
    path = str(tmp_path)
    with own_worker(stack, "echo", index=INDEX, MODEL_ENTRY_POINTS="shout:load", PYTHONPATH=path):
        assert manage(stack, "load_model", "shouted", "--worker", NODE) == f"{NODE}: shouted serving\n"
        ended = app.finished(app.submit("shouted", {"text": "hi"})["id"])
        assert (ended["state"], ended["output"]) == ("succeeded", {"text": "HI"})
