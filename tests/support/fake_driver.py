"""NVIDIA's driver and its NVML for tests, compiled from C: FAKE_GPU and FAKE_NVML say what they answer."""

from __future__ import annotations

import subprocess
from pathlib import Path

DEAD = "1 cuStreamSynchronize 999"


def built(folder: Path, *, name: str = "libcuda.so.1", source: str = "libcuda.c") -> Path:
    """Compile the driver into a folder for LD_LIBRARY_PATH, and return the folder."""
    words = ["cc", "-shared", "-fPIC", "-O0", "-o", str(folder / name), str(Path(__file__).with_name(source))]
    subprocess.run(words, check=True, timeout=60)
    return folder
