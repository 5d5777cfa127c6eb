"""AOTInductor packages: native code, compiled for one kind of device; for trusted artifacts only."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from models_registry.core.registry_errors import LoadFailedError
from models_registry.loaders.loader_options import ProgramOptions
from models_registry.loaders.torch_program import TensorProgram


class PackagedProgram(TensorProgram):
    """A program whose weights lie in its package."""

    def __init__(self, program: Any, options: ProgramOptions, device: str, size_bytes: int) -> None:
        super().__init__(program, options, device)
        self._size_bytes = size_bytes

    def memory_bytes(self) -> int:
        """Return the bytes of the package, which holds the weights."""
        return self._size_bytes


def load(path: Path, options: ProgramOptions, device: str) -> PackagedProgram:
    """Return the program in a package; the caller has checked permission."""
    if not is_zipfile(path):
        raise LoadFailedError(
            f"{path.name!r} is no package: make one by torch._inductor.aoti_compile_and_package."
        )
    import torch

    index = int(device.partition(":")[2] or 0) if device != "cpu" else -1
    program = torch._inductor.aoti_load_package(str(path), device_index=index)  # noqa: SLF001
    return PackagedProgram(program, options, device, path.stat().st_size)
