from pathlib import Path

import pytest

from inference_site.stack import debian, rabbitmq
from inference_site.stack.rabbitmq import find_installation
from inference_site.stack.stack_errors import StackError


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def search_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder that is all of the PATH, on a system without RabbitMQ."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(rabbitmq, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(rabbitmq, "INSTALLED", tmp_path / "nothing")
    return folder


def server(folder: Path) -> Path:
    """Make a RabbitMQ server's folder; return that of its scripts."""
    (folder / "plugins").mkdir(parents=True)
    for name in ("rabbitmq-server", "rabbitmq-env"):
        program(folder / "sbin", name)
    return folder / "sbin"


def package(usr: Path, *versions: str) -> Path:
    """Make what Debian's package installs; return the folder of the newest server's scripts."""
    lib = usr / "lib/rabbitmq"
    scripts = [server(lib / f"lib/rabbitmq_server-{version}") for version in versions][-1]
    wrapper = program(lib / "bin", "rabbitmq-script-wrapper")
    (lib / "bin/rabbitmq-env").symlink_to(scripts / "rabbitmq-env")
    (lib / "bin/rabbitmq-server").symlink_to(scripts / "rabbitmq-server")
    (usr / "sbin").mkdir()
    (usr / "sbin/rabbitmq-server").symlink_to(wrapper)
    return scripts


def test_a_server_unpacked_anywhere_on_the_path_comes_first(
    monkeypatch: pytest.MonkeyPatch, search_path: Path, tmp_path: Path
) -> None:
    scripts = server(tmp_path / "opt/rabbitmq_server-4.0.5")
    program(search_path, "erl")
    monkeypatch.setenv("PATH", f"{scripts}:{search_path}")
    installation = find_installation(tmp_path / "root")
    assert (installation.scripts, installation.erlang_root) == (scripts, None)


@pytest.mark.parametrize("folder", ["sbin", "lib/rabbitmq/bin"])
def test_behind_a_packages_wrapper_the_scripts_beside_the_plugins_are_found(
    monkeypatch: pytest.MonkeyPatch, search_path: Path, tmp_path: Path, folder: str
) -> None:
    scripts = package(tmp_path / "usr", "3.10.8")
    program(search_path, "erl")
    monkeypatch.setenv("PATH", f"{tmp_path}/usr/{folder}:{search_path}")
    assert find_installation(tmp_path / "root").scripts == scripts


def test_an_ordinary_user_without_sbin_on_the_path_has_the_systems_server_too(
    monkeypatch: pytest.MonkeyPatch, search_path: Path, tmp_path: Path
) -> None:
    scripts = package(tmp_path / "usr", "3.9.1", "3.10.8")
    program(search_path, "erl")
    monkeypatch.setattr(rabbitmq, "SYSTEM_FOLDERS", (str(tmp_path / "usr/sbin"),))
    assert find_installation(tmp_path / "root").scripts == scripts


@pytest.mark.parametrize("missing", ["erl", "plugins"])
def test_a_server_that_cannot_run_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, search_path: Path, tmp_path: Path, missing: str
) -> None:
    scripts = server(tmp_path / "opt/rabbitmq_server-4.0.5")
    if missing == "plugins":
        program(search_path, "erl")
        (scripts.parent / "plugins").rmdir()
    monkeypatch.setenv("PATH", f"{scripts}:{search_path}")
    with pytest.raises(StackError, match="no RabbitMQ"):
        find_installation(tmp_path / "root")


def test_without_a_node_and_without_debian_the_message_names_the_package(
    search_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match="install the package rabbitmq-server, set BROKER_URL"):
        find_installation(tmp_path / "root")


def test_an_unpacked_node_is_used_unchanged(search_path: Path, tmp_path: Path) -> None:
    for name in debian.NEEDED:
        program(search_path, name)
    scripts = package(tmp_path / "root/usr", "3.10.8")
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
