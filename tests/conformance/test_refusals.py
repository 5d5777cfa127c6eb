"""No loader unpickles, runs an artifact's own code, or fetches."""

import json
import pickle
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError
from models_registry.core.runner import Item, answer
from models_registry.loaders.integrity import digest
from models_registry.loaders.load import Permissions, load
from tests.support.specimens import MINILM, SPECIMENS, TEXTS, version


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def exploded(tmp_path: Path) -> Path:
    return tmp_path / "exploded"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MINILM, tmp_path / "minilm"))


def refused(path: Path, loader: str) -> str:
    """Return why the settings do not allow to load this."""
    with pytest.raises(LoaderRefusedError) as caught:
        load(version(loader, str(path), sha256=digest(path)), "cpu", Permissions())
    return str(caught.value)


def failed(path: Path) -> str:
    """Return what is wrong with this transformer, whatever the settings allow."""
    with pytest.raises(LoadFailedError) as caught:
        load(version("transformer", str(path), sha256=digest(path)), "cpu", Permissions())
    return str(caught.value)


@pytest.mark.parametrize("name", ["torchscript", "export"])
def test_torch_programs_are_refused_unless_allowed(name: str, tmp_path: Path) -> None:
    with pytest.raises(LoaderRefusedError, match="ALLOW_TORCH_PROGRAMS"):
        load(SPECIMENS[name](tmp_path).version, "cpu", Permissions())


def test_a_directory_with_pickled_weights_only_is_refused(directory: Path, exploded: Path) -> None:
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(exploded)))
    assert "no safetensors" in failed(directory)
    assert not exploded.exists()


def test_a_module_with_pickled_weights_only_is_refused(directory: Path, exploded: Path) -> None:
    (directory / "2_Dense").mkdir()
    (directory / "2_Dense" / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(exploded)))
    assert "2_Dense" in failed(directory)
    assert not exploded.exists()


def test_pickled_weights_beside_safetensors_are_not_read(directory: Path, exploded: Path) -> None:
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(exploded)))
    runner = load(version("transformer", str(directory), sha256=digest(directory)), "cpu", Permissions())
    assert len(answer(runner, [Item(TEXTS[0])])) == 1
    assert not exploded.exists()


@pytest.mark.parametrize(
    "kind", ["modeling_ours.Module", "os.system", "sentence_transformers.models.WordEmbeddings"]
)
def test_a_directory_that_names_code_of_its_own_is_refused(directory: Path, kind: str) -> None:
    modules = json.loads((directory / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3", "type": kind})
    (directory / "modules.json").write_text(json.dumps(modules))
    assert kind in failed(directory)


def test_a_route_that_names_code_of_its_own_is_refused(directory: Path) -> None:
    router = {"idx": 3, "name": "3", "path": "3", "type": "sentence_transformers.base.modules.Router"}
    (directory / "modules.json").write_text(json.dumps([router]))
    (directory / "3").mkdir()
    (directory / "3" / "router_config.json").write_text(json.dumps({"types": {"query_0": "os.system"}}))
    assert "os.system" in failed(directory)


@pytest.mark.parametrize("loader", ["torchscript", "export", "aotinductor"])
def test_a_pickle_called_a_program_is_not_unpickled(tmp_path: Path, exploded: Path, loader: str) -> None:
    path = tmp_path / "program.pt2"
    path.write_bytes(pickle.dumps(Bomb(exploded)))
    assert "ALLOW_TORCH_PROGRAMS" in refused(path, loader)
    with pytest.raises(Exception, match=r".+"):
        load(version(loader, str(path), sha256=digest(path)), "cpu", Permissions(torch_programs=True))
    assert not exploded.exists()


def test_a_file_is_no_transformer(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    assert "not a directory" in failed(tmp_path / "f")


def test_an_unknown_loader_and_an_unknown_dtype_are_refused(directory: Path) -> None:
    assert "no loader 'pickle'" in refused(directory, "pickle")
    odd = version("transformer", str(directory), sha256=digest(directory), options={"dtype": "int8"})
    with pytest.raises(LoaderRefusedError, match="int8"):
        load(odd, "cpu", Permissions())


def test_minilm_loads_without_torch_load_and_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> Any:
        pytest.fail("called")

    monkeypatch.setattr(torch, "load", never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    specimen = SPECIMENS["sentence_transformer"](Path())
    assert len(answer(load(specimen.version, "cpu", Permissions()), [Item(TEXTS[0])])) == 1


def test_minilm_equals_sentence_transformers_own_encode() -> None:
    from sentence_transformers import SentenceTransformer

    inputs = [*TEXTS, {"text": "word " * 2_000}, {"text": "\u0000 \U0001f600 é"}, {"text": " "}]
    specimen = SPECIMENS["sentence_transformer"](Path())
    outputs = answer(load(specimen.version, "cpu", Permissions()), [Item(value) for value in inputs])
    expected = SentenceTransformer(str(MINILM), device="cpu").encode([value["text"] for value in inputs])
    assert torch.allclose(
        torch.tensor([plain(out)["embedding"] for out in outputs]), torch.tensor(expected), atol=1e-5
    )


def test_options_shorten_texts_and_change_the_type(directory: Path) -> None:
    base = version("transformer", str(MINILM), sha256=digest(MINILM))
    long = [Item({"text": "word " * 300})]
    short = load(replace(base, options={"max_length": 8}), "cpu", Permissions())
    tensors = short.collate(long)[0]
    assert tensors["input_ids"].shape == (1, 8)
    half = answer(load(replace(base, options={"dtype": "bfloat16"}), "cpu", Permissions()), long)
    whole = answer(load(base, "cpu", Permissions()), long)
    assert plain(half[0])["embedding"] == pytest.approx(plain(whole[0])["embedding"], abs=0.05)
