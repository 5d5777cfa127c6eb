"""The device of a worker: it alone is visible, and it answers before anything is loaded on it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from jobs.core.errors import PlatformError
from jobs.core.gpu_choice import visible_gpu
from jobs.management.free_gpu import AUTO, own_folder, take_free_gpu
from models_registry.loaders.devices import cuda_driver
from models_registry.loaders.devices.device_probe import DeviceProbe
from models_registry.loaders.devices.own_device import OwnDevice, use

logger = logging.getLogger(__name__)
ANSWER_S, GONE_S = 30.0, 1.0
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 300.0


class NoGpuError(PlatformError):
    """There is no GPU that this process may use."""

    code = "no_gpu"


class PinnedDevice(NamedTuple):
    """Torch's name of the device, and the GPU's UUID, empty for the CPU."""

    name: str
    uuid: str = ""


def pin(gpu: str | None) -> PinnedDevice:
    """Hide all other devices from this process, before torch is imported, and wait until its own answers.

    None is the CPU, and `auto` the first GPU that no other worker of this host took by `auto`.
    GpuChoiceError, NoGpuError.
    """
    if gpu == AUTO:
        gpu = take_free_gpu(Path(settings.INFERENCE.gpu_lock_dir or own_folder()))
    if gpu is None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return PinnedDevice("cpu")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpu(gpu, os.environ.get("CUDA_VISIBLE_DEVICES"))
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts; else the fastest is 0
    uuid = answering_gpu(gpu)
    try:
        use(OwnDevice(DeviceProbe(cuda_driver.Gpu().run)))
    except cuda_driver.DriverError as error:
        raise NoGpuError(
            f"The GPU answered another process and not this one: {error}. Start it again."
        ) from None
    return PinnedDevice("cuda:0", uuid)


def answering_gpu(
    gpu: str, ask: Callable[[], tuple[int, str]] | None = None, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Wait until the visible GPU answers a fresh process; return its UUID. NoGpuError if there is none."""
    for wait_s in _waits_s():
        status, words = (ask or ask_fresh)()
        if not status:
            return words
        if status == cuda_driver.ABSENT_STATUS:
            raise NoGpuError(
                f"--gpu {gpu}: there is no GPU that this process may use ({words}). `nvidia-smi -L` lists"
                " those of the host. A container is given them by `--gpus`; without a GPU, use --cpu."
            )
        logger.critical("GPU %s does not answer, it is asked again in %.0f s: %s", gpu, wait_s, words)
        sleep(wait_s)
    raise AssertionError


def ask_fresh(limit_s: float = ANSWER_S) -> tuple[int, str]:
    """Ask the visible GPU in a fresh process; return its exit status, 0 for an answer, and what it said."""
    words = [sys.executable, "-I", "-S", cuda_driver.__file__]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = process.communicate(timeout=limit_s)
        return process.returncode, said.strip()
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # the driver may keep it for ever
            process.wait(GONE_S)
        return cuda_driver.SILENT_STATUS, f"it has said nothing for {limit_s:g} s"
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _waits_s() -> Iterator[float]:
    return (min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, 16)) for tries in count())
