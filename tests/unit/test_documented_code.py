"""Code that the documents show works as it stands there."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandParser

from inference_site.stack.__main__ import make_parser
from inference_site.stack.specs import ServedModels
from jobs.core.webhooks.policy import secret_key, signature
from models_registry.core.runner import Item, answer
from models_registry.loaders import entry_point
from models_registry.loaders.folder.starter import MODEL, write_folder
from tests.support.documents import FILES, ROOT, Written, page, shown_model, written

README, MODELS = written(ROOT / "README.md"), page("models")
PYTHON = [fence.text for path in FILES for fence in written(path).fences if fence.language == "python"]
SHELL = [code for path in FILES for code in written(path).code if "\n" in code and "manage.py " in code]
TEN_LINES = 10
SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUFB" * 11
JOB = {
    "id": "01890000-0000-7000-8000-000000000000", "state": "succeeded", "model": "echo", "version": "1",
    "attempts": 1, "created_at": "2026-01-31T12:00:00Z", "urls": {"self": "s", "wait": "w", "cancel": "c"},
}  # fmt: skip
BODY = json.dumps({"type": "job.succeeded", "timestamp": "2026-01-31T12:00:00Z", "data": JOB}).encode()


def parser_of(command: str) -> CommandParser:
    return load_command_class(get_commands()[command], command).create_parser("manage.py", command)


def lines_of(code: str, command: str) -> Iterator[dict[str, Any]]:
    """Yield the options of each line of `code` that runs the command, read by the command's own parser."""
    for line in code.replace("\\\n", " ").splitlines():
        if re.search(rf"manage\.py {command}\b", line):
            words = shlex.split(line.partition("; do")[0], comments=True)
            yield vars(parser_of(command).parse_args(words[words.index(command) + 1 :]))


@pytest.mark.parametrize(
    ("document", "name", "output"),
    [(MODELS, "shout", {"text": "HI"}), (MODELS, "scorer", None)],
)
def test_a_model_answers_the_example_that_it_is_registered_with(
    document: Written, name: str, output: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{name}.py").write_text(shown_model(document, name))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    (line,) = [line for line in lines_of(document.text, "register_model") if line["name"] == name]
    runner = entry_point.load(line["artifact"], line["options"] or {}, "cpu", [f"{name}:load"])
    (value,) = answer(runner, [Item(line["example"])])
    assert output is None or value == output
    assert json.loads(json.dumps(value)) == value


def test_ten_lines_are_enough_for_a_model_of_one_s_own() -> None:
    assert "## Your own model in ten lines" in README.text
    assert len(shown_model(README, "digits/model").splitlines()) <= TEN_LINES


def test_the_folder_that_is_shown_is_the_one_that_new_model_writes() -> None:
    assert f"```python\n{MODEL}```" in MODELS.section("A folder")


@pytest.mark.parametrize("code", SHELL)
def test_every_command_line_that_is_shown_is_one_that_its_command_takes(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, "shout")
    (tmp_path / "seven.json").write_text("{}")
    monkeypatch.chdir(tmp_path)  # where files that a line names are read
    names = set(re.findall(r"manage\.py ([a-z_]+)", code))
    assert all(list(lines_of(code, name)) for name in names)


def test_what_is_shown_to_serve_folders_starts_a_stack_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shout", "digits"):
        write_folder(tmp_path, name)
    monkeypatch.chdir(tmp_path)
    texts = [fence.text for document in (README, MODELS) for fence in document.fences]
    lines = {line for text in texts for line in text.splitlines() if line.startswith("make up ")}
    served = []
    # Without what a `make` that runs these tests hands down, such as its own ARGS.
    env = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    for line in sorted(lines):
        words = ["make", "--dry-run", "--file", str(ROOT / "Makefile"), *shlex.split(line)[1:]]
        ran = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
        asked = ran.rpartition("inference_site.stack ")[2]
        served.append(ServedModels.of(make_parser().parse_args(shlex.split(asked)).models).names)
    assert served == [("digits",), ("shout", "minilm")]


@pytest.mark.parametrize("code", PYTHON)
def test_every_name_that_shown_code_imports_exists(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(imported, alias.name)] == []


def test_the_shown_receiver_of_webhooks_believes_what_is_signed_and_nothing_else() -> None:
    (code,) = [code for code in PYTHON if "def receive(" in code]
    shown: dict[str, Any] = {}
    exec(code, shown)  # noqa: S102  # a document's own
    now_s = int(time.time())
    signed = signature([secret_key(SECRET)], message_id="msg_1", timestamp_s=now_s, body=BODY)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now_s), "webhook-signature": signed}
    assert shown["receive"](headers, BODY, [OTHER, SECRET]) == 204
    assert shown["receive"](headers, BODY, [OTHER]) == 400
