import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from inference_site.backends import django_storages
from inference_site.config import Config
from models_registry import selectors
from models_registry.core.registry_errors import ArtifactMismatchError, InvalidInputError, LoaderRefusedError
from models_registry.core.runner import Item, answer
from models_registry.core.version import VersionInfo
from models_registry.loaders.folder.starter import write_folder
from models_registry.pool import ModelPool
from models_registry.services import Terms, register_folder
from models_registry.sources.local_copies import LocalCopies

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    with override_settings(STORAGES=django_storages(Config(payload_dir=str(tmp_path / "store")))):
        yield tmp_path / "store"


@pytest.fixture
def copies(tmp_path: Path) -> LocalCopies:
    return LocalCopies(tmp_path / "copies", 2**30)


@pytest.fixture
def shout(tmp_path: Path) -> Path:
    return write_folder(tmp_path, "shout")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def answers(info: VersionInfo, copies: LocalCopies, value: Any, *, allowed: str = "") -> Any:
    pool = ModelPool("cpu")
    pool.copies = copies
    pool.allow_folders([allowed or info.model])
    return answer(pool.runner(info.id).runner, [Item(value)])


def test_a_new_folder_is_tried_registered_and_answers(tmp_path: Path, copies: LocalCopies) -> None:
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
    (output,) = answers(info, copies, {"text": "ho"})
    assert output.text == "HO"


def test_a_folder_is_tried_from_any_place(shout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shout.parent)
    assert run("try_model", "./shout", "--input", '{"text": "hi"}') == '{"text": "HI"}\n'


def test_each_file_is_in_the_version_s_hash_and_its_old_files_stay(shout: Path, copies: LocalCopies) -> None:
    first = register_folder(folder=shout, terms=Terms(tries=False))
    assert register_folder(folder=shout, terms=Terms(tries=False)).id == first.id
    (shout / "__pycache__").mkdir()
    (shout / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"x")
    (shout / ".git").write_text("x")
    assert register_folder(folder=shout, terms=Terms(tries=False)).id == first.id
    (shout / "model.py").write_text((shout / "model.py").read_text().replace("upper", "lower"))
    second = register_folder(folder=shout, terms=Terms(tries=False))
    assert second.version != first.version
    assert [answers(info, copies, {"text": "Ho"})[0].text for info in (first, second)] == ["HO", "ho"]


def test_a_worker_refuses_folders_that_no_setting_names(shout: Path, copies: LocalCopies) -> None:
    info = register_folder(folder=shout)
    with pytest.raises(LoaderRefusedError, match=f"model shout, or .*{info.sha256}, in MODEL_FOLDERS"):
        answers(info, copies, {"text": "a"}, allowed="another")
    for allowed in (info.sha256, "*"):
        assert answers(info, copies, {"text": "a"}, allowed=allowed)[0].text == "A"


def test_another_host_s_worker_has_the_files_from_the_store_alone(shout: Path, copies: LocalCopies) -> None:
    info = register_folder(folder=shout)
    assert info.artifact == f"stored:{info.sha256}/"
    shutil.rmtree(shout)
    assert answers(info, copies, {"text": "a"})[0].text == "A"


def test_changed_files_are_not_imported(shout: Path, copies: LocalCopies, tmp_path: Path) -> None:
    info = register_folder(folder=shout, terms=Terms(tries=False))
    model = tmp_path / "copies" / info.sha256 / "tree" / "model.py"
    answers(info, copies, {"text": "a"})
    model.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ArtifactMismatchError, match="The hash of"):
        answers(info, copies, {"text": "a"})
    assert not (tmp_path / "ran").exists()


def test_what_does_not_load_is_not_registered_and_says_why(shout: Path, store: Path) -> None:
    (shout / "model.py").write_text("import no_such_library")
    with pytest.raises(CommandError, match="No module named 'no_such_library'"):
        run("register_model", str(shout))
    assert not store.exists()
    with pytest.raises(CommandError, match=r"There is no folder .*new_model NAME"):
        run("register_model", "./no_such_folder")
    with pytest.raises(CommandError, match=r"the folder of a model is written ./my_model"):
        run("register_model", "my_model")
    with pytest.raises(CommandError, match=r"max_batch is not an option: set it in model.toml"):
        run("register_model", str(shout), "--max-batch", "3")
    with pytest.raises(CommandError, match="is there already"):
        run("new_model", "shout", "--dir", str(shout.parent))


def test_a_folder_needs_a_signature_where_every_artifact_does(
    shout: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, model_signers=("/a/key.pub",)))
    with pytest.raises(CommandError, match="the artifact needs a signature"):
        run("register_model", str(shout))
    assert not store.exists()
