"""Artifacts in the storage: stored once, and only those bytes come back that have the hash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import override_settings

from inference_site.backends import django_storages
from inference_site.config import Config
from jobs.payloads.object_store import names_before
from models_registry.core.registry_errors import ArtifactMismatchError, LoadFailedError
from models_registry.loaders.integrity import digest
from models_registry.sources.content_store import StoredArtifact, copy_to, holds, put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    config = Config(payload_dir=str(tmp_path / "store"))
    with override_settings(STORAGES=django_storages(config)):
        yield tmp_path / "store"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model/deep").mkdir(parents=True)
    (tmp_path / "model/config.json").write_text("{}")
    (tmp_path / "model/deep/same.json").write_text("{}")
    (tmp_path / "model/weights").write_bytes(b"w" * 3_000_000)
    return tmp_path / "model"


def objects(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()]


def test_a_folder_comes_back_as_it_was_and_equal_files_are_stored_once(store: Path, folder: Path) -> None:
    stored = put(folder)
    assert stored == put(folder) == (digest(folder), "")
    assert StoredArtifact.of(str(stored)) == stored
    assert len(objects(store)) == 3  # the manifest, the weights, and one of two equal files
    copy = folder.with_name("copy")
    copy.mkdir()
    copy_to(stored, copy)
    assert digest(copy) == digest(folder)


def test_a_file_comes_back_under_its_ending(store: Path, tmp_path: Path) -> None:
    (tmp_path / "Digits.ONNX").write_bytes(b"abc")
    stored = put(tmp_path / "Digits.ONNX")
    assert str(stored) == f"stored:{digest(tmp_path / 'Digits.ONNX')}/model.onnx"
    copy_to(stored, tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == b"abc"


@pytest.mark.parametrize("cut", [0, 5])
def test_bytes_that_were_changed_or_cut_are_not_copied(store: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.onnx").write_bytes(b"abcdefg")
    stored = put(tmp_path / "a.onnx")
    (only,) = objects(store)
    only.write_bytes(b"abcdefX"[: 7 - cut])
    (tmp_path / "to").mkdir()
    with pytest.raises(ArtifactMismatchError, match="stored artifact is damaged"):
        copy_to(stored, tmp_path / "to")


def test_what_is_not_stored_is_a_load_error(store: Path, tmp_path: Path) -> None:
    missing = StoredArtifact("0" * 64, "model.onnx")
    assert not holds(missing)
    with pytest.raises(LoadFailedError, match="register it again"):
        copy_to(missing, tmp_path)


@pytest.mark.parametrize("text", ["stored:abc/", f"stored:{'0' * 64}/../x", f"stored:{'0' * 64}", "/a/path"])
def test_another_artifact_is_none_of_the_store(text: str) -> None:
    assert StoredArtifact.of(text) is None


def test_the_cleaner_of_payloads_leaves_artifacts_alone(store: Path, folder: Path) -> None:
    put(folder)
    assert list(names_before(datetime(2100, 1, 1, tzinfo=UTC))) == []
    assert len(objects(store)) == 3
