"""A GPU that no other worker of this host has: the first whose lock is free, held until this process ends.

Replicas of one container are alike, so none could have a number of its own on its command line. The lock is
the kernel's, on a file in a folder that all of them see, and goes with the process, however it ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pynvml

from jobs.core.gpu_choice import GpuChoiceError, gpus_to_try

logger = logging.getLogger(__name__)
AUTO = "auto"
LOOK_AGAIN_S = 5.0
SAY_AGAIN = 60  # looks
_held = list[int]()  # descriptors of the locks, which nothing closes


def take_free_gpu(folder: Path, *, nvml: Any = pynvml, sleep: Callable[[float], None] = time.sleep) -> str:
    """Return the UUID of a free GPU, once there is one; GpuChoiceError where the host has none at all."""
    uuids = gpus_to_try(_uuids(nvml), os.environ.get("CUDA_VISIBLE_DEVICES"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    looks = 0
    while (free := next((uuid for uuid in uuids if _locked(folder / uuid)), None)) is None:
        if not looks % SAY_AGAIN:
            logger.warning("each of the %d GPUs has a worker: this one waits for a free one", len(uuids))
        looks += 1
        sleep(LOOK_AGAIN_S)
    return free


def own_folder() -> Path:
    """Return this user's folder of locks where GPU_LOCK_DIR names none."""
    return Path(tempfile.gettempdir()) / f"inference-gpus-{os.getuid()}"


def _uuids(nvml: Any) -> Sequence[str]:
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return [str(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    except pynvml.NVMLError as error:
        raise GpuChoiceError(
            f"--gpu auto: NVML lists no GPUs ({error}). A container is given them by `--gpus`; name one by"
            " its index or UUID, or use --cpu."
        ) from None


def _locked(path: Path) -> bool:
    """Return whether this process now holds the lock of a file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True
