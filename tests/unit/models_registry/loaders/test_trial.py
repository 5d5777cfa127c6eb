"""What a trial of an entry point finds out, and what its caller learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError
from models_registry.core.runner import Item
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.integrity import digest
from models_registry.loaders.load import Permissions
from models_registry.loaders.trial import trial
from tests.support.specimens import SPECIMENS, version


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
