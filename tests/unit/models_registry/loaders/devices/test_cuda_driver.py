"""The driver's calls, on a driver of the test's own: there is no GPU here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models_registry.loaders.devices import cuda_driver
from tests.support.fake_driver import built

ONES, TWOS = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("driver"))


def ask(libraries: Path, gpu: str) -> tuple[int, str]:
    words = [sys.executable, "-I", "-S", cuda_driver.__file__]
    env = os.environ | {"LD_LIBRARY_PATH": str(libraries), "FAKE_GPU": gpu}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(("gpu", "uuid"), [("1", f"GPU-{ONES}"), ("1 mig 1", f"MIG-{TWOS}")])
def test_a_gpu_that_answers_has_a_uuid(libraries: Path, gpu: str, uuid: str) -> None:
    assert ask(libraries, gpu) == (0, uuid)


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ("1 cuDevicePrimaryCtxRetain 999", "cuDevicePrimaryCtxRetain: the fake driver's words (999)"),
        ("1 cuMemAlloc_v2 700", "cuMemAlloc_v2: the fake driver's words (700)"),
        ("1 cuStreamSynchronize 719", "cuStreamSynchronize: the fake driver's words (719)"),
        ("1 wrong 1", "the device returned other bytes"),
    ],
)
def test_a_gpu_that_does_not_answer_is_told_from_none(libraries: Path, gpu: str, words: str) -> None:
    status, said = ask(libraries, gpu)
    assert status == cuda_driver.SILENT_STATUS
    assert words in said


def test_a_gpu_whose_memory_is_full_answers(libraries: Path) -> None:
    assert ask(libraries, "1 cuMemAlloc_v2 2") == (0, f"GPU-{ONES}")


def test_where_there_is_no_gpu_or_no_driver_none_is_there(libraries: Path, tmp_path: Path) -> None:
    assert ask(libraries, "0")[0] == cuda_driver.ABSENT_STATUS
    status, said = ask(tmp_path, "1")
    assert status == cuda_driver.ABSENT_STATUS
    assert "libcuda.so.1" in said
