"""The choice of a loader: missing frameworks are named, and code is run only where that is allowed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models_registry.core.registry_errors import LoaderRefusedError
from models_registry.loaders.load import EXTRAS, Permissions, load
from tests.support.specimens import SPECIMENS

LOADERS = {
    "onnxruntime": "onnx",
    "sentence_transformers": "sentence_transformer",
    "sklearn": "sklearn",
    "skops": "sklearn",
    "soundfile": "pipeline",
    "torch": "torchscript",
    "transformers": "pipeline",
}


@pytest.mark.parametrize("package", sorted(EXTRAS))
def test_a_loader_says_which_extra_brings_its_framework(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = SPECIMENS[LOADERS.get(package, package)](tmp_path).version
    if package == "soundfile":
        version = replace(version, options={"task": "audio-classification"})
    own = [name for name in sys.modules if name.partition(".")[0] == package]
    for name in [package, *own]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "models_registry.loaders.formats.onnx_file", raising=False)
    words = rf"needs {package}.*inference-platform\[{EXTRAS[package]}\]"
    with pytest.raises(LoaderRefusedError, match=words):
        load(version, "cpu", Permissions(torch_programs=True))


def test_types_of_other_packages_in_a_skops_file_need_the_permission_to_run_code(tmp_path: Path) -> None:
    version = SPECIMENS["sklearn"](tmp_path).version
    load(replace(version, options={"trusted": ["sklearn.tree._tree.Tree"]}), "cpu", Permissions())
    foreign = replace(version, options={"trusted": ["posix.system"]})
    with pytest.raises(LoaderRefusedError, match="ALLOW_TORCH_PROGRAMS"):
        load(foreign, "cpu", Permissions())
    load(foreign, "cpu", Permissions(torch_programs=True))
