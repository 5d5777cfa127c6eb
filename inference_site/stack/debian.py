"""RabbitMQ and Erlang from Debian's packages, unpacked into a folder without root."""

import getpass
import shutil
import subprocess
from pathlib import Path

from inference_site.stack.private_files import locked, private_dir
from inference_site.stack.stack_errors import StackError

PACKAGE = "rabbitmq-server"
NEEDED = ("apt-get", "apt-cache", "dpkg")
ONLY_DEPENDS = tuple(
    f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
)


def unpacked(root: Path) -> Path:
    """Return the root folder with RabbitMQ in it; the first process fills it."""
    private_dir(root.parent)
    with locked(root.with_name(f"{root.name}.lock")):
        if not root.exists():
            _fill(root)
    return root


def offered() -> bool:
    """Return whether this system has Debian's package tools."""
    return all(shutil.which(tool) for tool in NEEDED)


def _fill(root: Path) -> None:
    fresh = root.with_name(f"{root.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    downloads = private_dir(fresh / "downloads")
    options = _apt_options(downloads)
    _run(["apt-get", *options, "update"], cwd=downloads)
    _run(["apt-get", *options, "download", *_packages(options, downloads)], cwd=downloads)
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(fresh)], cwd=downloads)
    shutil.rmtree(downloads)
    _make_movable(fresh / "usr/lib/erlang/bin/erl")
    fresh.rename(root)


def _make_movable(script: Path) -> None:
    # Some builds of Debian's `erl` ignore ERL_ROOTDIR.
    fixed, movable = "ROOTDIR=/usr/lib/erlang\n", 'ROOTDIR="${ERL_ROOTDIR:-/usr/lib/erlang}"\n'
    script.write_text(script.read_text().replace(fixed, movable))


def _apt_options(downloads: Path) -> list[str]:
    lists = private_dir(downloads / "lists")
    cache = private_dir(downloads / "cache")
    private_dir(lists / "partial")
    private_dir(cache / "archives" / "partial")
    settings = {
        "Dir::State::Lists": str(lists),
        "Dir::Cache": str(cache),
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": getpass.getuser(),
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _packages(options: list[str], downloads: Path) -> list[str]:
    words = ["apt-cache", *options, "depends", "--recurse", *ONLY_DEPENDS, PACKAGE]
    names = {line for line in _run(words, cwd=downloads).splitlines() if line[:1].isalpha()}
    return sorted(name for name in names if name == PACKAGE or name.startswith("erlang-"))


def _run(words: list[str], *, cwd: Path) -> str:
    process = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if process.returncode:
        raise StackError(
            f"RabbitMQ could not be unpacked from Debian's packages ({words[0]}: "
            f"{process.stderr.strip()[-500:]}): install {PACKAGE}, or set BROKER_URL"
        )
    return process.stdout
