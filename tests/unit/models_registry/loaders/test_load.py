"""The choice of a loader: missing frameworks are named, and code is run only where that is allowed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models_registry.core.registry_errors import LoaderRefusedError
from models_registry.loaders.load import EXTRAS, Permissions, load
from tests.support.specimens import SPECIMENS


@pytest.mark.parametrize("loader", sorted(EXTRAS))
def test_a_loader_says_which_extra_brings_its_framework(
    loader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specimen = SPECIMENS[loader](tmp_path)
    missing = EXTRAS[loader][0]
    own = [name for name in sys.modules if name.partition(".")[0] == missing]
    for name in [missing, *own]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "models_registry.loaders.formats.onnx_file", raising=False)
    with pytest.raises(LoaderRefusedError, match=rf"needs {missing}.*inference-platform\[{loader}\]"):
        load(specimen.version, "cpu", Permissions())


def test_types_of_other_packages_in_a_skops_file_need_the_permission_to_run_code(tmp_path: Path) -> None:
    version = SPECIMENS["sklearn"](tmp_path).version
    load(replace(version, options={"trusted": ["sklearn.tree._tree.Tree"]}), "cpu", Permissions())
    foreign = replace(version, options={"trusted": ["posix.system"]})
    with pytest.raises(LoaderRefusedError, match="ALLOW_TORCH_PROGRAMS"):
        load(foreign, "cpu", Permissions())
    load(foreign, "cpu", Permissions(torch_programs=True))
