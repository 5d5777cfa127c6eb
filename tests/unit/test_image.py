"""The images: who runs without frameworks, what trimming leaves, and what the build's context holds."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from inference_site.process_needs import Process
from inference_site.stack.services import PROJECT
from tests.support.frameworks import frameworks, without_frameworks

COMPOSE = PROJECT / "compose"
KEPT = [
    "manage.py",
    "pyproject.toml",
    "jobs/tasks.py",
    "jobs/client/src/inference_client/__init__.py",
    "jobs/services/webhooks/secrets.py",
    "inference_site/docs/api.md",
    "models_registry/selectors.py",
    "compose/shrink.py",
    "compose/web.lock",
    "compose/runtime.lock",
    "compose/torch-cpu.lock",
]
LEFT = [
    ".run/payload_key",
    ".run/stack.json",
    ".git/config",
    ".venv/bin/python",
    ".mypy_cache/x",
    "requirements.lock",
    "tests/conftest.py",
    "compose/.env",
    "compose/.env.example",
    "compose/rendered/secrets/SECRET_KEY",
    "compose/rendered/ca/ca.key",
    "compose/urls/relay.env",
    "compose/definitions.json",
    "jobs/.env",
    "jobs/__pycache__/tasks.cpython-311.pyc",
    "jobs/core/__pycache__/x.pyc",
    "inference_site/.run/secret",
    "inference_site/server.key",
    "models_registry/secrets/token",
    "jobs/.mypy_cache/x",
    "own_notes.txt",
]


def _shrink() -> Any:
    spec = importlib.util.spec_from_file_location("shrink", COMPOSE / "shrink.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shrink = _shrink()


@pytest.mark.parametrize("process", [*shrink.IMPORTS])
def test_a_process_that_loads_no_model_starts_without_frameworks_and_without_what_is_trimmed(
    process: str, tmp_path: Path
) -> None:
    environ = without_frameworks(tmp_path) | shrink.SETTINGS
    files = {Path(file) for file in shrink.imported(process, environ) if file}
    assert not [file for file in files if trimmed() & {file, *file.parents}]


def test_what_is_blocked_is_what_only_the_worker_s_image_has(tmp_path: Path) -> None:
    assert {
        "torch",
        "transformers",
        "sentence_transformers",
        "safetensors",
        "sklearn",
        "scipy",
    } <= frameworks()
    assert not {"django", "numpy", "matplotlib", "celery"} & frameworks()
    program = [sys.executable, "-c", "import torch"]
    environ = without_frameworks(tmp_path)
    done = subprocess.run(program, env=environ, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr


def test_every_process_but_the_worker_has_its_imports_in_the_image_s_bytecode() -> None:
    same = {Process.STREAM: Process.WEB, Process.DATABASE_ROLES: Process.MIGRATE}  # the same programs
    loads_models = {"gpu-worker", "autoscale", "registrar"}
    small = {same.get(process, process) for process in Process} - loads_models - {Process.OPERATOR}
    assert small == shrink.IMPORTS.keys()


def test_trimming_removes_tests_and_languages_and_keeps_what_is_read() -> None:
    names = {path.relative_to(shrink.PACKAGES).as_posix() for path in trimmed()}
    assert {"botocore/data/ec2", "numpy/_core/tests", "django/conf/locale/de/LC_MESSAGES"} <= names
    assert not {"botocore/data/s3", "botocore/data/kms", "django/conf/locale/en/LC_MESSAGES"} & names


@cache
def trimmed() -> frozenset[Path]:
    return frozenset(shrink.unread())


def sent(path: str) -> bool:
    """Return whether a file is in the context of the build: the last matching pattern counts."""
    parts = path.split("/")
    above = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    inside = True
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            if any(re.fullmatch(pattern, name) for name in above):
                inside = line.startswith("!")
    return inside


@pytest.mark.parametrize("path", LEFT)
def test_secrets_caches_and_what_nothing_copies_stay_outside_of_the_image(path: str) -> None:
    assert not sent(path)


@pytest.mark.parametrize("path", KEPT)
def test_what_the_image_needs_is_sent(path: str) -> None:
    assert (PROJECT / path).exists()
    assert sent(path)


def test_each_file_that_a_step_copies_is_sent_and_every_file_of_the_code_too() -> None:
    copies = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", (COMPOSE / "Dockerfile").read_text())
    assert copies
    for source in " ".join(copies).split():
        assert sent(source), source
    tracked = subprocess.run(
        ["git", "ls-files", "inference_site", "jobs", "models_registry"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert not [path for path in tracked if not sent(path)]


@pytest.mark.parametrize("lock", ["web.lock", "runtime.lock"])
def test_an_image_installs_its_own_lock(lock: str) -> None:
    stages = re.split(r"(?m)^FROM ", (COMPOSE / "Dockerfile").read_text())
    name = {"web.lock": "web-packages", "runtime.lock": "worker-packages"}[lock]
    (stage,) = [stage for stage in stages if stage.partition("\n")[0].endswith(f" AS {name}")]
    assert re.search(rf"(?m)^COPY compose/{lock} ", stage)


def test_the_last_stages_run_as_the_user_without_rights() -> None:
    text = (COMPOSE / "Dockerfile").read_text()
    assert re.findall(r"(?m)^FROM runtime AS (\w+)$", text) == ["worker", "web"]
    assert re.findall(r"(?m)^USER (\w+)$", text) == ["inference"]
    assert "--uid 10001 inference" in text
