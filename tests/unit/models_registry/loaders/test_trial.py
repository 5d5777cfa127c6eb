"""What a trial of an entry point finds out, and what its caller learns."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError
from models_registry.core.runner import Item
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.integrity import digest
from models_registry.loaders.load import Permissions
from models_registry.loaders.trial import trial
from tests.support.specimens import SPECIMENS, version
from tests.support.wait import wait_until


def test_an_input_is_run_on_the_loaded_version() -> None:
    tried = trial(version("entry_point", BUILT_IN["echo"]), Permissions(), limit_s=30, item=Item({"a": 1}))
    assert tried.output == {"a": 1}
    assert tried.load_s >= 0 < tried.run_s


def test_an_entry_point_that_is_not_listed_is_imported_only_for_who_may() -> None:
    info = version("entry_point", "os:getcwd")
    with pytest.raises(LoaderRefusedError, match="not among the entry points in MODEL_ENTRY_POINTS"):
        trial(info, Permissions(), limit_s=30)
    with pytest.raises(LoadFailedError, match=r"takes \(\); a model's factory takes"):
        trial(info, Permissions(), limit_s=30, unlisted=True)


def test_a_trial_returns_the_schemas_that_the_loader_derives(tmp_path: Path) -> None:
    tried = trial(SPECIMENS["onnx"](tmp_path).version, Permissions(), limit_s=60)
    assert tried.input_schema["required"] == ["data"]
    assert tried.output_schema["required"] == ["out"]


def test_pickled_weights_are_a_fault_of_the_artifact_and_not_of_this_place(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    info = version("transformer", str(tmp_path), sha256=digest(tmp_path))
    with pytest.raises(LoadFailedError, match="pickled weights are never loaded"):
        trial(info, Permissions(), limit_s=60)


def test_an_input_that_the_loader_refuses_is_named_without_lines_of_code(tmp_path: Path) -> None:
    with pytest.raises(LoadFailedError) as raised:
        trial(SPECIMENS["onnx"](tmp_path).version, Permissions(), limit_s=60, item=Item({}))
    assert "fails on this input: InvalidInputError: The input has no data." in str(raised.value)
    assert "Traceback" not in str(raised.value)


TRIES = """
from pathlib import Path
from models_registry.loaders.folder.described import described
from models_registry.loaders.integrity import digest
from models_registry.loaders.load import Permissions
from models_registry.loaders.trial import trial
from tests.support.specimens import version
folder = Path({folder!r})
info = version('folder', str(folder), sha256=digest(folder))
{does}
"""
HANGS = """
import os, time
from pathlib import Path
def hang():
    Path({pid!r}).write_text(str(os.getpid()))
    time.sleep(60)
class Model:
    def __init__(self): hang()
    def run(self, inputs): return inputs
"""


@pytest.mark.parametrize(
    ("more", "does"),
    [
        ("", "trial(info, Permissions(), limit_s=60, unlisted=True)"),
        ("hang()", "described(folder, limit_s=60)"),
    ],
)
def test_a_load_that_hangs_ends_with_the_process_that_asked_for_it(
    tmp_path: Path, more: str, does: str
) -> None:
    folder, pid = tmp_path / "hangs", tmp_path / "pid"
    folder.mkdir()
    (folder / "model.py").write_text(HANGS.format(pid=str(pid)) + more)
    asking = subprocess.Popen([sys.executable, "-c", TRIES.format(folder=str(folder), does=does)])
    try:
        child = int(wait_until(lambda: pid.read_text() if pid.exists() else None))
    finally:
        asking.kill()
        asking.wait()
    try:
        wait_until(lambda: not Path("/proc", str(child)).exists(), limit_s=10)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, 9)
