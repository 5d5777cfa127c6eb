"""Promtool comes from the PATH, or else from Debian's package."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_site.stack import debian
from inference_site.stack.stack_errors import StackError
from inference_site.watching.prometheus_tools import find_tool


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def search_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_the_one_on_the_path_is_taken(search_path: Path, tmp_path: Path) -> None:
    own = program(search_path, "promtool")
    assert find_tool("promtool", tmp_path / "root") == own


def test_an_unpacked_one_is_taken_without_a_download(search_path: Path, tmp_path: Path) -> None:
    for name in debian.NEEDED:
        program(search_path, name)
    unpacked = program(tmp_path / "root/usr/bin", "promtool")
    assert find_tool("promtool", tmp_path / "root") == unpacked


def test_without_either_the_message_names_the_package(search_path: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="install the package prometheus, or put promtool on the PATH"):
        find_tool("promtool", tmp_path / "root")
