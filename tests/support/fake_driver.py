"""A driver of NVIDIA's for tests, compiled from `libcuda.c`: FAKE_GPU says what it answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

DEAD = "1 cuStreamSynchronize 999"


def built(folder: Path) -> Path:
    """Compile the driver into a folder for LD_LIBRARY_PATH, and return the folder."""
    source = Path(__file__).with_name("libcuda.c")
    words = ["cc", "-shared", "-fPIC", "-O0", "-o", str(folder / "libcuda.so.1"), str(source)]
    subprocess.run(words, check=True, timeout=60)
    return folder
