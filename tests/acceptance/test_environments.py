"""Workers in environments of their own: each has its libraries, and a crash harms its own worker alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, manage, register
from tests.support.own_worker import own_worker
from tests.support.wheels import tiny_wheel

VERSIONED = """
import spam
from models_registry.loaders.builtin import Echo

class Versioned(Echo):
    def __init__(self, options, device):
        pass

    def outputs(self, raw):
        return [spam.VALUE for _ in raw]
"""
OWN = """
import spam

class Model:
    def run(self, inputs):
        return [spam.VALUE for _ in inputs]
"""
RAISING = "raise RuntimeError('no such driver')"
CRASHING = "import os; os._exit(3)"
ENTRY_POINT = ("--loader", "entry_point", "--artifact", "versioned:Versioned")
ENTRY_POINTS = "versioned:Versioned,raising:Any,crashing:Any"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let workers import these models, and install from the folder alone, which is returned."""
    for name, text in (("versioned", VERSIONED), ("raising", RAISING), ("crashing", CRASHING)):
        (tmp_path / f"{name}.py").write_text(text)
    for name in ("PYTHONPATH", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("ENVS_DIR", str(tmp_path / "envs"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("MODEL_ENTRY_POINTS", ENTRY_POINTS)
    return tmp_path


def test_one_stack_serves_two_models_with_conflicting_versions_of_a_library(
    stack: Stack, app: App, models: Path
) -> None:
    register(stack, "raising", "1", "raising:Any", "--alias", "default")
    first, second = (models / name / "requirements.txt" for name in ("first", "spam2"))
    for version, file in (("1", first), ("2", second)):
        file.parent.mkdir()
        file.write_text(tiny_wheel(models, "spam", version, f"VALUE = {version!r}"))
    (models / "spam2" / "model.py").write_text(OWN)  # a folder needs no word about its environment
    manage(stack, "register_model", str(models / "spam2"), "--alias", "default")
    options = ("--env", "spam1", "--requirements", str(first))
    words = (*ENTRY_POINT, "--alias", "default", "--example", "{}", *options)
    assert "It was loaded here in " in manage(stack, "register_model", "spam1", "1", *words)
    own = ("--env", "spam2", "--requirements", str(second))
    with (
        own_worker(stack, "spam1", index=5, also="raising", options=options),
        own_worker(stack, "spam2", index=6, options=own, MODEL_FOLDERS="spam2"),
    ):
        jobs = [app.submit(f"spam{version}", {})["id"] for version in "12"]
        assert [app.finished(job)["output"] for job in jobs] == ["1", "2"]


def test_a_model_that_ends_its_process_when_it_is_imported_harms_no_other_worker(
    stack: Stack, app: App, models: Path
) -> None:
    register(stack, "crashing", "1", "crashing:Any", "--alias", "default")
    waiting = app.submit("crashing", {})["id"]
    with pytest.raises(AssertionError), own_worker(stack, "crashing", index=5):
        raise RuntimeError("it started")
    assert app.finished(app.submit("echo", {"n": 1})["id"])["output"] == {"n": 1}
    assert app.job(waiting)["state"] == "queued"
    app.cancel_live()
