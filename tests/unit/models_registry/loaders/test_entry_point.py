import sys
from pathlib import Path

import pytest

from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError
from models_registry.core.runner import Item, answer
from models_registry.loaders import entry_point

MODULE = """
from models_registry.loaders.builtin import Echo

class Tagged(Echo):
    def __init__(self, options, device):
        self.tag = [options["tag"], device]
    def outputs(self, raw):
        return [self.tag for _ in raw]
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_model_of_ours.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "a_model_of_ours", raising=False)
    return "a_model_of_ours:Tagged"


def test_an_entry_point_named_in_the_settings_gets_options_and_device(module: str) -> None:
    runner = entry_point.load(module, {"tag": "t"}, "cuda:1", [module])
    assert answer(runner, [Item(1)]) == [["t", "cuda:1"]]


def test_an_entry_point_that_is_not_named_is_refused_and_not_imported(module: str) -> None:
    with pytest.raises(LoaderRefusedError, match="MODEL_ENTRY_POINTS"):
        entry_point.load(module, {}, "cpu", ["another:one"])
    assert "a_model_of_ours" not in sys.modules


def test_the_built_in_models_need_no_setting() -> None:
    for name in entry_point.BUILT_IN.values():
        assert answer(entry_point.load(name, {}, "cpu", []), [Item({})]) == [{}]


@pytest.mark.parametrize("name", ["no.such:thing", "json:no_such_thing", "json", ":x"])
def test_an_entry_point_that_cannot_be_imported_is_a_load_error(name: str) -> None:
    with pytest.raises(LoadFailedError, match="cannot be imported"):
        entry_point.load(name, {}, "cpu", [name])
