"""The GPUs of this host that an autoscaler may use, one place for a worker each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from jobs.core.errors import PlatformError
from jobs.core.gpu_choice import GpuChoiceError, visible_gpu
from models_registry.loaders.devices import cuda_driver

ANSWER_S = 30.0
ALL = "all"


class NoSuchGpuError(PlatformError):
    """There is no such GPU."""

    code = "no_gpu"


def chosen_gpus(choice: str, count: Callable[[], int] | None = None) -> tuple[str, ...]:
    """Return the GPUs that `choice` names, as `gpu_worker --gpu` takes them; NoSuchGpuError.

    `choice` is `all`, or indexes and UUIDs with commas.
    """
    number = (count or visible_count)()
    if not number:
        raise NoSuchGpuError(
            f"--gpus {choice}: there is no GPU that this process may use. --cpu N runs N workers on the CPU."
        )
    if choice == ALL:
        return tuple(map(str, range(number)))
    names = tuple(name.strip() for name in choice.split(",") if name.strip())
    if not names or len(set(names)) < len(names):
        raise NoSuchGpuError(f"--gpus {choice}: name each GPU once, such as 0,1, or say all.")
    for name in names:
        _check(name, number)
    return names


def _check(name: str, number: int) -> None:
    try:
        visible_gpu(name, os.environ.get("CUDA_VISIBLE_DEVICES"))
    except GpuChoiceError as error:
        raise NoSuchGpuError(str(error).replace("--gpu ", "--gpus ", 1)) from None
    if name.isdecimal() and int(name) >= number:
        raise NoSuchGpuError(f"--gpus {name}: this process may use {number} GPUs; they count from 0.")


def visible_count() -> int:
    """Return how many GPUs the driver shows a fresh process; 0 where there is no driver, or no answer."""
    words = [sys.executable, "-I", "-S", cuda_driver.__file__, cuda_driver.COUNT]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, check=False, timeout=ANSWER_S)
    except subprocess.TimeoutExpired:
        return 0
    return int(asked.stdout) if asked.returncode == 0 else 0
