"""Environments that pip really makes, of wheels in a folder."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from models_registry.core.registry_errors import EnvironmentRefusedError
from models_registry.environments.make import COMPLETE, enter, make_env, python_of
from tests.support.wheels import tiny_wheel

PROGRAM = "import celery, spam, msgspec, inference_client; print(spam.VALUE)"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def pips(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note each run of pip."""
    runs: list[Any] = []
    run = subprocess.run

    def noting(*words: Any, **options: Any) -> Any:
        runs.append(words)
        return run(*words, **options)

    monkeypatch.setattr("models_registry.environments.make.subprocess.run", noting)
    return runs


def spam(wheels: Path, version: str) -> Path:
    file = wheels / f"spam-{version}.txt"
    file.write_text(tiny_wheel(wheels, "spam", version, f"VALUE = {version!r}"))
    return file


def value(python: Path) -> str:
    return subprocess.run([python, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.strip()


def test_two_names_have_two_versions_and_the_platform_s_libraries(wheels: Path, tmp_path: Path) -> None:
    envs = tmp_path / "envs"
    pythons = [make_env(f"spam{v}", spam(wheels, v), envs_dir=envs) for v in "12"]
    assert [value(python) for python in pythons] == ["1", "2"]
    assert [python_of(f"spam{v}", envs_dir=envs) for v in "12"] == pythons


def test_two_that_ask_at_once_make_it_once_and_a_third_makes_nothing(
    wheels: Path, tmp_path: Path, pips: list[Any]
) -> None:
    file, envs = spam(wheels, "1"), tmp_path / "envs"
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(make_env, name, file, envs_dir=envs) for name in ("spam", "eggs")]
    assert asked[0].result() == asked[1].result() == make_env("spam", file, envs_dir=envs)
    assert len(pips) == 1


def test_one_that_was_interrupted_is_made_again(wheels: Path, tmp_path: Path, pips: list[Any]) -> None:
    file, envs = spam(wheels, "1"), tmp_path / "envs"
    python = make_env("spam", file, envs_dir=envs)
    (python.parents[1] / COMPLETE).unlink()
    with pytest.raises(EnvironmentRefusedError, match="make_env spam --requirements FILE"):
        python_of("spam", envs_dir=envs)
    assert make_env("spam", file, envs_dir=envs) == python
    assert len(pips) == 2


def test_other_requirements_move_the_name_to_another_environment(wheels: Path, tmp_path: Path) -> None:
    envs = tmp_path / "envs"
    before, after = (make_env("spam", spam(wheels, v), envs_dir=envs) for v in "12")
    assert before != after == python_of("spam", envs_dir=envs)
    assert before.exists()  # of a worker that still runs


def test_a_file_that_is_not_the_pinned_one_is_not_installed(wheels: Path, tmp_path: Path) -> None:
    file, envs = spam(wheels, "1"), tmp_path / "envs"
    tiny_wheel(wheels, "spam", "1", "VALUE = 'forged'")
    with pytest.raises(EnvironmentRefusedError, match=r"(?s)pip did not install.*DO NOT MATCH THE HASHES"):
        make_env("spam", file, envs_dir=envs)
    assert not (envs / "spam").exists()
    assert not list(envs.glob("made/*/bin"))


def test_nothing_is_made_of_requirements_that_are_refused(tmp_path: Path, pips: list[Any]) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("celery==4.0 --hash=sha256:" + "a" * 64)
    with pytest.raises(EnvironmentRefusedError, match="the worker itself runs on celery"):
        make_env("spam", file, envs_dir=tmp_path / "envs")
    with pytest.raises(EnvironmentRefusedError, match="cannot be read"):
        make_env("spam", tmp_path / "none.txt", envs_dir=tmp_path / "envs")
    assert pips == []


def test_what_the_worker_runs_on_is_the_platform_s_own_also_where_it_is_pinned(
    wheels: Path, tmp_path: Path
) -> None:
    file, version = spam(wheels, "1"), metadata.version("celery")
    file.write_text(
        file.read_text() + f"Celery=={version} --hash=sha256:{'a' * 64}\n"
    )  # no such file is at hand
    assert value(make_env("spam", file, envs_dir=tmp_path / "envs")) == "1"


def test_a_folder_that_cannot_be_written_is_named(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentRefusedError, match=r"ENVS_DIR cannot be written: .*file"):
        make_env("spam", spam(wheels, "1"), envs_dir=tmp_path / "file")


@pytest.mark.parametrize("name", ["", "..", "a/b", "Spam", "made", "-x"])
def test_a_name_is_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefusedError, match="is no name of an environment"):
        python_of(name, envs_dir=tmp_path)


def test_a_process_runs_its_own_command_again_inside_and_only_once(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("models_registry.environments.make.os.execv", lambda *words: calls.append(words))
    monkeypatch.setattr(sys, "orig_argv", ["python", "manage.py", "gpu_worker", "--env", "spam"])
    enter("spam", spam(wheels, "1"), envs_dir=tmp_path / "envs")
    python = python_of("spam", envs_dir=tmp_path / "envs")
    assert calls == [(python, [str(python), "manage.py", "gpu_worker", "--env", "spam"])]
    monkeypatch.setattr(sys, "prefix", str(python.parents[1]))
    enter("spam", None, envs_dir=tmp_path / "envs")
    assert len(calls) == 1
