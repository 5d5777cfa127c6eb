from pathlib import Path

import pytest

from inference_site.stack import debian
from inference_site.stack.rabbitmq import find_installation
from inference_site.stack.stack_errors import StackError


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_node_on_the_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("rabbitmq-server", "rabbitmq-env"):
        program(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    installation = find_installation(tmp_path / "root")
    assert (installation.scripts, installation.erlang_root) == (tmp_path, None)


def test_without_a_node_and_without_debian_the_message_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="install the package rabbitmq-server, set BROKER_URL"):
        find_installation(tmp_path / "root")


def test_an_unpacked_node_is_used_unchanged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in debian.NEEDED:
        program(tmp_path / "bin", name)
    scripts = tmp_path / "root/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin"
    program(scripts, "rabbitmq-server")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    installation = find_installation(tmp_path / "root")
    assert installation.scripts == scripts
    assert installation.search_path.startswith(f"{scripts}:{tmp_path}/root/usr/lib/erlang/bin:")


def test_a_failed_download_leaves_no_half_filled_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in debian.NEEDED:
        program(tmp_path / "bin", name).write_text("#!/bin/sh\necho no network >&2\nexit 100\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    with pytest.raises(StackError, match="no network"):
        debian.unpacked(tmp_path / "root")
    assert not (tmp_path / "root").exists()
