"""What a folder of an artifact may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from models_registry.core.registry_errors import SourceError
from models_registry.loaders.integrity import manifest
from models_registry.sources.file_tree import check_pickles, files_below, manifest_of, safe_name


def test_a_symbolic_link_is_refused_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.json").write_text("{}")
    assert files_below(tmp_path) == ["a/b.json"]
    (tmp_path / "a/secret").symlink_to("/etc/passwd")
    with pytest.raises(SourceError, match="symbolic link 'a/secret'"):
        files_below(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no files"):
        files_below(tmp_path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../../b", "", "a\nb", "a\\b", "a//b", "./a"])
def test_a_path_that_leads_out_or_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match="path"):
        safe_name(name)


def test_a_pickle_is_refused_unless_the_loader_runs_programs(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_text("")
    with pytest.raises(SourceError, match=r"model\.pkl, and a pickle can run any code: the loader sklearn"):
        check_pickles(tmp_path, "sklearn")
    check_pickles(tmp_path, "torchscript")


def test_a_manifest_names_each_file_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "with space.txt").write_text("")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert manifest_of(manifest(tmp_path)) == {"with space.txt": empty}
