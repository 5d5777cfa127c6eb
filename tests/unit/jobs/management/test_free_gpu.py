"""Workers of one host take a GPU each, without a number on their command lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pynvml
import pytest

from inference_site.stack.services import PROJECT
from jobs.core.gpu_choice import GpuChoiceError
from jobs.management import free_gpu
from jobs.management.free_gpu import take_free_gpu

GPUS = ["GPU-a", "GPU-b"]
HOLD = """
import sys; from pathlib import Path; from tests.unit.jobs.management.test_free_gpu import Nvml
from jobs.management.free_gpu import take_free_gpu
print(take_free_gpu(Path(sys.argv[1]), nvml=Nvml()), flush=True); sys.stdin.read()
"""


class Nvml:
    """A host with two GPUs."""

    def nvmlInit(self) -> None:  # noqa: N802  # NVML's name
        """Begin."""

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(GPUS)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return GPUS[handle]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(free_gpu, "_held", held := list[int]())
    yield
    for descriptor in held:
        os.close(descriptor)


def worker(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, folder],
        cwd=PROJECT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_each_process_takes_another_gpu_and_one_that_is_killed_gives_its_own_back(tmp_path: Path) -> None:
    workers = [worker(tmp_path), worker(tmp_path)]
    try:
        taken = {process.stdout.readline().strip(): process for process in workers if process.stdout}
        assert taken.keys() == {*GPUS}

        def kill(_seconds: float) -> None:
            taken["GPU-b"].kill()
            taken["GPU-b"].wait()

        assert take_free_gpu(tmp_path, nvml=Nvml(), sleep=kill) == "GPU-b"
    finally:
        for process in workers:
            process.kill()
            process.communicate()


def test_one_process_holds_what_it_took(tmp_path: Path) -> None:
    taken = [take_free_gpu(tmp_path, nvml=Nvml()) for _ in GPUS]
    assert taken == GPUS


def test_only_visible_gpus_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert take_free_gpu(tmp_path, nvml=Nvml()) == "GPU-b"


def test_a_host_without_gpus_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    class NoNvml(Nvml):
        def nvmlInit(self) -> None:  # noqa: N802
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    with pytest.raises(GpuChoiceError, match=r"--gpus.*--cpu"):
        take_free_gpu(tmp_path, nvml=NoNvml())
