import gc
import sys
from pathlib import Path
from typing import Any

import pytest

from models_registry.core.registry_errors import LoadFailedError, RegistrationError
from models_registry.core.runner import Item, answer
from models_registry.loaders.folder.isolated_import import PREFIX
from models_registry.loaders.folder.own_class import OwnClass, folder_name, load

RUN = "    def run(self, inputs): return [self.__class__.__name__ for _ in inputs]\n"
MARK = "from models_registry.core.own_model import model\n"
OPTIONS = """
import msgspec
class Options(msgspec.Struct):
    word: str = "a"
class Model:
    def __init__(self, device, options: Options): self.said = [device, options.word]
    def run(self, inputs): return [self.said for _ in inputs]
"""


def folder(place: Path, code: str, card: str = "") -> Path:
    (place / "model.py").write_text(code)
    if card:
        (place / "model.toml").write_text(card)
    return place


@pytest.mark.parametrize(
    ("code", "card"),
    [
        (f"class One:\n{RUN}", ""),
        (f"{MARK}class Two:\n{RUN}\n@model\nclass One:\n{RUN}", ""),
        (f"class Two:\n{RUN}\nclass One:\n{RUN}", 'class = "One"'),
    ],
)
def test_the_model_is_the_only_class_with_run_or_the_marked_or_named_one(
    code: str, card: str, tmp_path: Path
) -> None:
    assert answer(load(folder(tmp_path, code, card), {}, "cpu"), [Item(1)]) == ["One"]


@pytest.mark.parametrize(
    ("code", "card", "reason"),
    [
        (f"class Two:\n{RUN}\nclass One:\n{RUN}", "", "has Two, One: mark the one"),
        ("x = 1", "", r"has no class with `run\(self, inputs\)`"),
        (f"class One:\n{RUN}", 'class = "Three"', "no class Three, which model.toml names"),
        ("1/0", "", "model.py cannot be imported: ZeroDivisionError"),
        (f"class One:\n{RUN}", "max_batches = 3", "model.toml: .*max_batches.*It may have: class"),
        (f"class One:\n{RUN}", "max_batch = 0", "model.toml: .*max_batch"),
        (f"class One:\n{RUN}", "max_batch", "model.toml cannot be read"),
        (f"{MARK}@model(name='a')\nclass One:\n{RUN}", "", "@model: name .*set it in model.toml"),
        (f"{MARK}@model(max_batch='a')\nclass One:\n{RUN}", "", "@model: .*max_batch"),
        (f"class One:\n    def __init__(self): self.x = 1 / 0\n{RUN}", "", "One cannot be made: ZeroDiv"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(code: str, card: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(LoadFailedError, match=reason):
        load(folder(tmp_path, code, card), {}, "cpu")


def test_a_folder_without_model_py_is_none(tmp_path: Path) -> None:
    with pytest.raises(LoadFailedError, match=r"has no model\.py"):
        load(tmp_path, {}, "cpu")


def test_the_card_comes_before_the_mark(tmp_path: Path) -> None:
    code = f"{MARK}@model(max_batch=3, max_attempts=2)\nclass One:\n{RUN}"
    own = OwnClass.of(folder(tmp_path, code, "max_batch = 5\n[options]\ncache_ttl_s = 1\n"))
    assert own.fields == {"max_batch": 5, "max_attempts": 2, "options": {"cache_ttl_s": 1}}
    assert own.schemas() == {"input_schema": {}, "output_schema": {}}


def test_options_come_as_the_class_declares_them(tmp_path: Path) -> None:
    place = folder(tmp_path, OPTIONS)
    given: dict[str, Any] = {"word": "b", "cache_ttl_s": 1}
    assert answer(load(place, given, "cuda:0"), [Item(1)]) == [["cuda:0", "b"]]
    with pytest.raises(LoadFailedError, match="There is no option words; did you mean word"):
        load(place, {"words": "b"}, "cpu")


def test_a_class_without_options_refuses_any_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(LoadFailedError, match="There is no option size"):
        load(folder(tmp_path, f"class One:\n{RUN}"), {"size": 3}, "cpu")


def test_a_model_is_named_by_its_card_or_its_folder(tmp_path: Path) -> None:
    (place := tmp_path / "My_model").mkdir()
    assert folder_name(place) == "my_model"
    (place / "model.toml").write_text('name = "other"')
    assert folder_name(place) == "other"
    (place / "model.toml").write_text("nmae = 'other'")
    with pytest.raises(RegistrationError, match="nmae"):
        folder_name(place)


def modules_of_folders() -> set[str]:
    gc.collect()
    return {name for name in sys.modules if name.startswith(PREFIX)}


def test_the_modules_of_a_model_leave_with_it_and_with_a_load_that_fails(tmp_path: Path) -> None:
    before = modules_of_folders()
    runner = load(folder(tmp_path, f"class One:\n{RUN}"), {}, "cpu")
    assert modules_of_folders() > before
    del runner
    assert modules_of_folders() <= before
    with pytest.raises(LoadFailedError):
        load(folder(tmp_path, f"class One:\n    def __init__(self): 1 / 0\n{RUN}"), {}, "cpu")
    assert modules_of_folders() <= before


def test_a_missing_library_of_a_folder_with_requirements_leads_to_an_environment(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    with pytest.raises(
        LoadFailedError, match=r"No module named 'no_such'\. .*--env NAME --requirements FILE"
    ):
        load(folder(tmp_path, "import no_such"), {}, "cpu")
