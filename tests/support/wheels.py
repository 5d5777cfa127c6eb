"""Both distributions, built from this tree, and environments that have them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

from inference_site.stack.services import PROJECT

HERE = Path(sysconfig.get_path("purelib"))
SOURCES = ("inference_site", "jobs", "models_registry", "pyproject.toml", "README.md", "LICENSE")


def build_wheels(folder: Path) -> dict[str, Path]:
    """Return each wheel by its name, built from a copy: setuptools leaves its work beside the sources."""
    source, out = folder / "source", folder / "wheels"
    source.mkdir(parents=True)
    for name in SOURCES:
        path = PROJECT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    words = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out)]
    for project in (source, source / "jobs/client"):
        done = subprocess.run([*words, str(project)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    return {wheel.name.split("-")[0]: wheel for wheel in out.iterdir()}


def environment(folder: Path, wheel: Path) -> Path:
    """Make an environment that has this wheel and nothing else; return its folder of packages."""
    venv.create(folder, symlinks=True)
    words = ("--no-deps", "--no-index", "--no-compile", "--quiet", "--disable-pip-version-check")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", *words, str(wheel)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / HERE.relative_to(sys.prefix)


def link_packages(packages: Path, *names: str) -> None:
    """Let an environment have these packages of this one, and no others."""
    for name in names:
        (packages / name).symlink_to(HERE / name)


def tiny_wheel(folder: Path, name: str, version: str, text: str) -> str:
    """Write a wheel of one module, `name`; return its line of hashed requirements."""
    about = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", text)
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"
