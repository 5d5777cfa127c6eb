import sys
from pathlib import Path

import pytest

from models_registry.loaders.folder.isolated_import import import_folder

MODEL = """
import json
import helpers
import inner.deep
from helpers import WORD
from dataclasses import dataclass

@dataclass
class Pair:
    word: "str"

def late():
    import later
    from inner import deep
    return later.WORD, deep.WORD
"""


def folder(place: Path, word: str) -> Path:
    (place / "inner").mkdir(parents=True)
    (place / "model.py").write_text(MODEL)
    (place / "helpers.py").write_text(f"WORD = {word!r}")
    (place / "later.py").write_text("import helpers\nWORD = helpers.WORD + ' later'")
    (place / "inner" / "__init__.py").write_text("")
    (place / "inner" / "deep.py").write_text("from . import __name__\nimport helpers\nWORD = helpers.WORD")
    return place


def test_modules_of_equal_names_in_two_folders_do_not_clash(tmp_path: Path) -> None:
    first = import_folder(folder(tmp_path / "one", "one"), "model")
    second = import_folder(folder(tmp_path / "two", "two"), "model")
    assert (first.WORD, first.helpers.WORD, first.late()) == ("one", "one", ("one later", "one"))
    assert (second.WORD, second.inner.deep.WORD, second.late()) == ("two", "two", ("two later", "two"))
    assert not {"helpers", "later", "inner", "model"} & sys.modules.keys()
    assert second.Pair("a") == second.Pair("a")
    assert second.json is sys.modules["json"]


def test_compiled_files_are_neither_read_nor_written(tmp_path: Path) -> None:
    place = folder(tmp_path / "one", "one")
    import_folder(place, "model")
    assert not list(tmp_path.rglob("*.pyc"))


def test_an_import_that_fails_leaves_no_module_behind(tmp_path: Path) -> None:
    place = folder(tmp_path / "one", "one")
    (place / "model.py").write_text("import helpers\nimport no_such_module_at_all")
    before = set(sys.modules)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        import_folder(place, "model")
    assert set(sys.modules) == before


def test_a_folder_of_files_does_not_hide_a_library_of_its_name(tmp_path: Path) -> None:
    for name in ("msgspec", "weights"):
        (tmp_path / name).mkdir()
    (tmp_path / "weights" / "size.py").write_text("SIZE = 3")
    (tmp_path / "model.py").write_text("import msgspec\nfrom weights.size import SIZE")
    module = import_folder(tmp_path, "model")
    assert module.msgspec is sys.modules["msgspec"]
    assert module.SIZE == 3
