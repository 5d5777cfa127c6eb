"""Programs from Debian's packages, unpacked into a folder without root."""

import getpass
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from inference_site.stack.private_files import locked, private_dir
from inference_site.stack.stack_errors import StackError

NEEDED = ("apt-get", "apt-cache", "dpkg")
ONLY_DEPENDS = tuple(
    f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
)


@dataclass(frozen=True)
class Package:
    """A package, the beginnings of the names of those that it needs, and the setting that does without it."""

    name: str
    needs: tuple[str, ...]
    instead: str


RABBITMQ = Package("rabbitmq-server", ("erlang-",), "BROKER_URL")


def unpacked(root: Path, package: Package = RABBITMQ) -> Path:
    """Return the root folder with the package in it; the first process fills it."""
    private_dir(root.parent)
    with locked(root.with_name(f"{root.name}.lock")):
        if not root.exists():
            _fill(root, package)
    return root


def offered() -> bool:
    """Return whether this system has Debian's package tools."""
    return all(shutil.which(tool) for tool in NEEDED)


def _fill(root: Path, package: Package) -> None:
    fresh = root.with_name(f"{root.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    downloads = private_dir(fresh / "downloads")
    options = _apt_options(downloads)
    run = partial(_run, package, downloads)
    run(["apt-get", *options, "update"])
    depends = run(["apt-cache", *options, "depends", "--recurse", *ONLY_DEPENDS, package.name])
    names = {line for line in depends.splitlines() if line[:1].isalpha()}
    needed = sorted(name for name in names if name == package.name or name.startswith(package.needs))
    run(["apt-get", *options, "download", *needed])
    for file in sorted(downloads.glob("*.deb")):
        run(["dpkg", "-x", str(file), str(fresh)])
    shutil.rmtree(downloads)
    if (erl := fresh / "usr/lib/erlang/bin/erl").exists():
        _make_movable(erl)
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


def _run(package: Package, cwd: Path, words: list[str]) -> str:
    process = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if process.returncode:
        raise StackError(
            f"{package.name} could not be unpacked from Debian's packages ({words[0]}: "
            f"{process.stderr.strip()[-500:]}): install {package.name}, or set {package.instead}"
        )
    return process.stdout
