import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from models_registry import selectors
from models_registry.core.registry_errors import ArtifactMismatchError, InvalidInputError, LoaderRefusedError
from models_registry.core.runner import Item, answer
from models_registry.core.version import VersionInfo
from models_registry.loaders.folder.starter import write_folder
from models_registry.pool import ModelPool
from models_registry.services import register_folder

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def model_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = replace(settings.INFERENCE, model_dir=str(tmp_path / "models"))
    monkeypatch.setattr(settings, "INFERENCE", config)
    return tmp_path / "models"


@pytest.fixture
def shout(tmp_path: Path) -> Path:
    return write_folder(tmp_path, "shout")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def answers(info: VersionInfo, model_dir: Path, value: Any, *, allowed: str = "") -> Any:
    pool = ModelPool("cpu", model_dir=str(model_dir))
    pool.allow_folders([allowed or info.model])
    return answer(pool.runner(info.id).runner, [Item(value)])


def test_a_new_folder_is_tried_registered_and_answers(tmp_path: Path, model_dir: Path) -> None:
    said = run("new_model", "shout", "--dir", str(tmp_path))
    folder = str(tmp_path / "shout")
    assert f"make up MODELS={folder}" in said
    assert '{"text": "HI"}' in run("try_model", folder, "--input", f"@{folder}/example.json")
    run("register_model", folder, "--alias", "default")
    info = selectors.resolve("shout")
    assert (info.max_batch, info.max_attempts, info.example) == (32, 3, {"text": "hi"})
    assert info.version == info.sha256[:12]
    with pytest.raises(InvalidInputError):
        selectors.validate_input(info, {"text": 3})
    (output,) = answers(info, model_dir, {"text": "ho"})
    assert output.text == "HO"


def test_a_folder_is_tried_from_any_place(shout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shout.parent)
    assert run("try_model", "./shout", "--input", '{"text": "hi"}') == '{"text": "HI"}\n'


def test_each_file_is_in_the_version_s_hash_and_its_old_files_stay(shout: Path, model_dir: Path) -> None:
    first = register_folder(folder=shout, tries=False)
    assert register_folder(folder=shout, tries=False).id == first.id
    (shout / "__pycache__").mkdir()
    (shout / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"x")
    (shout / ".git").write_text("x")
    assert register_folder(folder=shout, tries=False).id == first.id
    (shout / "model.py").write_text((shout / "model.py").read_text().replace("upper", "lower"))
    second = register_folder(folder=shout, tries=False)
    assert second.version != first.version
    assert [answers(info, model_dir, {"text": "Ho"})[0].text for info in (first, second)] == ["HO", "ho"]


def test_a_worker_refuses_folders_that_no_setting_names(shout: Path, model_dir: Path) -> None:
    info = register_folder(folder=shout)
    with pytest.raises(LoaderRefusedError, match=f"model shout, or .*{info.sha256}, in MODEL_FOLDERS"):
        answers(info, model_dir, {"text": "a"}, allowed="another")
    for allowed in (info.sha256, "*"):
        assert answers(info, model_dir, {"text": "a"}, allowed=allowed)[0].text == "A"


def test_changed_files_are_not_imported(shout: Path, model_dir: Path, tmp_path: Path) -> None:
    info = register_folder(folder=shout, tries=False)
    (model_dir / info.artifact / "model.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ArtifactMismatchError, match="The hash of"):
        answers(info, model_dir, {"text": "a"})
    assert not (tmp_path / "ran").exists()


def test_what_does_not_load_is_not_registered_and_says_why(shout: Path) -> None:
    (shout / "model.py").write_text("import no_such_library")
    with pytest.raises(CommandError, match="No module named 'no_such_library'"):
        run("register_model", str(shout))
    with pytest.raises(CommandError, match=r"There is no folder .*new_model NAME"):
        run("register_model", "./no_such_folder")
    with pytest.raises(CommandError, match=r"the folder of a model is written ./my_model"):
        run("register_model", "my_model")
    with pytest.raises(CommandError, match=r"max_batch is not an option: set it in model.toml"):
        run("register_model", str(shout), "--max-batch", "3")
    with pytest.raises(CommandError, match="is there already"):
        run("new_model", "shout", "--dir", str(shout.parent))
