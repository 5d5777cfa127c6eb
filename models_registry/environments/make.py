"""Makes an environment once: the libraries of a model first, those of the platform after them.

The platform's packages are not installed again. A line of a `.pth` file puts them last on the path: an
environment takes a second instead of gigabytes, and a model's own version of a library is the one it imports.

    ENVS_DIR/made/DIGEST/   a virtual environment; DIGEST is of its requirements and of what it stands on
    ENVS_DIR/NAME           a link to the one that workers of this name start in
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models_registry.core.registry_errors import EnvironmentRefusedError
from models_registry.environments.platform_libraries import refuse_other_versions, worker_versions
from models_registry.environments.requirements import pinned, without

MADE, COMPLETE = "made", ".complete"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_INSTALL = (
    "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-input", "--quiet",
    "--disable-pip-version-check",
)  # fmt: skip


def make_env(name: str, requirements: Path, *, envs_dir: Path) -> Path:
    """Return the python of the environment `name` with these hashed requirements; make it if it is missing.

    Processes that ask at the same time make it once. EnvironmentRefusedError says what to do.
    """
    _check_name(name)
    text = own_libraries(requirements)
    folder = envs_dir.absolute() / MADE / _digest(text)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not (folder / COMPLETE).exists():
                _make(folder, text, requirements.absolute().parent)
        _link(envs_dir.absolute() / name, folder)
    except OSError as error:
        raise EnvironmentRefusedError(f"ENVS_DIR cannot be written: {error}") from error
    return folder / "bin" / "python"


def python_of(name: str, *, envs_dir: Path) -> Path:
    """Return the python of the environment `name`; EnvironmentRefusedError where there is none."""
    _check_name(name)
    folder = (envs_dir / name).resolve()
    if not (folder / COMPLETE).exists():
        words = f"`manage.py make_env {name} --requirements FILE` makes it"
        raise EnvironmentRefusedError(f"There is no environment {name!r} in {envs_dir}: {words}.")
    return folder / "bin" / "python"


def enter(name: str, requirements: Path | None, *, envs_dir: Path) -> None:
    """Run this process's own command again in the environment, in its place; return once it is in it."""
    if (Path(sys.prefix) / COMPLETE).exists():
        return
    python = (
        make_env(name, requirements, envs_dir=envs_dir)
        if requirements
        else python_of(name, envs_dir=envs_dir)
    )
    os.execv(python, [str(python), *sys.orig_argv[1:]])  # noqa: S606  # the same words, as the same process


def own_libraries(requirements: Path) -> str:
    """Return the requirements without what the worker runs on, which is new after the platform's upgrade.

    EnvironmentRefusedError for a file of which no environment can be made.
    """
    try:
        text = requirements.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentRefusedError(f"{requirements} cannot be read: {error}") from error
    refuse_other_versions(pinned(text))
    return without(text, worker_versions())


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name == MADE:
        raise EnvironmentRefusedError(f"{name!r} is no name of an environment: letters a-z, digits, - and _.")


def _digest(text: str) -> str:
    """Return a name for what decides how the environment turns out."""
    parts = (text, sys.version, sysconfig.get_path("purelib"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep every other process away from the folder; the kernel ends that with this process."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder: Path, text: str, beside: Path) -> None:
    """Make the environment; its last file shows that it is whole: an interrupted one is made again."""
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, symlinks=True)
    (folder / "requirements.txt").write_text(text)
    words = (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), *_INSTALL)
    file = str(folder / "requirements.txt")
    done = subprocess.run([*words, "-r", file], cwd=beside, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise EnvironmentRefusedError(f"pip did not install the requirements:\n{last}")
    _add_platform(folder)
    (folder / COMPLETE).touch()


def _add_platform(folder: Path) -> None:
    """Put this process's own packages last on the environment's path."""
    here = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    base = str(folder)
    packages = sysconfig.get_path("purelib", "venv", vars={"base": base, "platbase": base})
    # Of a folder that the file only names, the .pth files would not be read.
    lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(here))
    (Path(packages) / "zz_platform.pth").write_text(lines)


def _link(link: Path, folder: Path) -> None:
    """Let the name lead to the folder, in one step."""
    fresh = link.with_name(f"{link.name}.{os.getpid()}.fresh")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.relative_to(link.parent))
    fresh.replace(link)
