import hashlib
import subprocess
from pathlib import Path

import pytest

from models_registry.core.registry_errors import ArtifactMismatchError
from models_registry.loaders.integrity import digest, verify


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "1_Pooling").mkdir(parents=True)
    (root / "model.safetensors").write_bytes(b"weights")
    (root / "1_Pooling" / "config.json").write_text("{}")
    (root / "tokenizer.json").write_text("[]")
    return root


def test_a_files_digest_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    assert digest(tmp_path / "f") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_a_directory_s_digest_is_the_one_of_sha256sum_s_output(directory: Path) -> None:
    command = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    printed = subprocess.run(["sh", "-c", command], cwd=directory, capture_output=True, text=True, check=True)
    assert digest(directory) == printed.stdout.split()[0]


@pytest.mark.parametrize("name", ["model.safetensors", "1_Pooling/config.json", "tokenizer.json", "new.json"])
def test_changing_or_adding_any_file_changes_the_digest(directory: Path, name: str) -> None:
    before = digest(directory)
    (directory / name).write_bytes(b"other")
    assert digest(directory) != before


def test_renaming_a_file_changes_the_digest(directory: Path) -> None:
    before = digest(directory)
    (directory / "tokenizer.json").rename(directory / "tokenizer2.json")
    assert digest(directory) != before


def test_hidden_files_do_not_count(directory: Path) -> None:
    before = digest(directory)
    (directory / ".cache").mkdir()
    (directory / ".cache" / "lock").write_text("x")
    assert digest(directory) == before


def test_a_directory_is_known_by_its_manifest_and_by_its_published_weights(directory: Path) -> None:
    verify(directory, digest(directory))
    verify(directory, digest(directory).upper())
    verify(directory, hashlib.sha256(b"weights").hexdigest())


@pytest.mark.parametrize("expected", ["", "0" * 64, "53aa"])
def test_another_hash_or_none_is_refused(directory: Path, expected: str) -> None:
    with pytest.raises(ArtifactMismatchError):
        verify(directory, expected)
