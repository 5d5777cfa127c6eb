"""A host's copies of artifacts: made once, kept within bounds, never taken from who uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import override_settings

from inference_site.backends import django_storages
from inference_site.config import Config
from models_registry.core.registry_errors import ArtifactMismatchError, LoadFailedError
from models_registry.core.version import VersionInfo
from models_registry.loaders.integrity import digest, verify
from models_registry.sources import content_store, local_copies
from models_registry.sources.local_copies import LocalCopies
from tests.support.specimens import version
from tests.support.threads import at_once

SIZE = 100_000
HOLDER = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    config = Config(payload_dir=str(tmp_path / "store"))
    with override_settings(STORAGES=django_storages(config)):
        yield tmp_path / "store"


def stored(tmp_path: Path, number: int) -> VersionInfo:
    path = tmp_path / f"{number}.onnx"
    path.write_bytes(bytes([number]) * SIZE)
    info = version("transformer", str(content_store.put(path)))
    return replace(info, id=number, sha256=digest(path))


def copies(tmp_path: Path, count: int = 10) -> LocalCopies:
    return LocalCopies(tmp_path / "cache", count * SIZE)


def held(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()}


def test_eight_threads_that_need_one_artifact_download_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, calls = stored(tmp_path, 1), []

    def counted(*arguments: object) -> None:
        calls.append(arguments)
        content_store.copy_to(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(local_copies, "copy_to", counted)
    of_host = [copies(tmp_path) for _ in range(8)]
    found = at_once([lambda one=one: one.here(info) for one in of_host])  # type: ignore[misc]
    assert len(calls) == 1
    for copy in found:
        verify(Path(copy.artifact), info.sha256)


def test_a_copy_below_a_relative_folder_has_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as `.run/artifacts`, the default, is relative; a relative artifact is not
    found = LocalCopies(Path("cache"), 10 * SIZE).here(stored(tmp_path, 1))
    assert Path(found.artifact).is_relative_to(tmp_path)


def test_the_least_recently_used_copy_makes_room_and_one_in_use_does_not(tmp_path: Path) -> None:
    first, second, third, fourth = (stored(tmp_path, number) for number in (1, 2, 3, 4))
    host = copies(tmp_path, 2)
    host.here(first)
    for info, at in ((second, 100), (first, 50)):
        host.here(info)
        os.utime(tmp_path / "cache" / info.sha256, (at, at))
    host.let_go(second)
    host.here(third)
    assert held(tmp_path) == {first.sha256, third.sha256}  # the first is older, but in use
    host.let_go(first)
    host.here(fourth)
    assert held(tmp_path) == {third.sha256, fourth.sha256}


def test_a_copy_that_another_process_uses_stays(tmp_path: Path) -> None:
    first, second = stored(tmp_path, 1), stored(tmp_path, 2)
    host = copies(tmp_path, 1)
    host.let_go(host.here(first))
    lock = str(tmp_path / "cache" / f"{first.sha256}.lock")
    words = [sys.executable, "-c", HOLDER, lock]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        host.let_go(host.here(second))
        assert first.sha256 in held(tmp_path)
        other.stdin.close()
    host.here(stored(tmp_path, 3))
    assert held(tmp_path) == {stored(tmp_path, 3).sha256}


def test_a_damaged_copy_is_made_again_once_its_load_failed(tmp_path: Path) -> None:
    info, host = stored(tmp_path, 1), copies(tmp_path)
    path = Path(host.here(info).artifact)
    path.write_bytes(b"\1" * (SIZE - 1))
    with pytest.raises(ArtifactMismatchError):
        verify(Path(host.here(info).artifact), info.sha256)
    host.forget(host.here(info))
    verify(Path(host.here(info).artifact), info.sha256)


def test_a_download_that_breaks_off_leaves_no_copy(tmp_path: Path, store: Path) -> None:
    info = stored(tmp_path, 1)
    for path in store.rglob("*"):
        if path.is_file():
            path.write_bytes(b"cut")
    with pytest.raises(ArtifactMismatchError, match="damaged"):
        copies(tmp_path).here(info)
    assert held(tmp_path) == set()


def test_a_folder_that_cannot_be_written_is_a_load_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadFailedError, match="ARTIFACT_CACHE_DIR"):
        LocalCopies(tmp_path / "file" / "cache", SIZE).here(stored(tmp_path, 1))
