"""The device's memory: occupied bytes, and releasing cached blocks.

But for `free_bytes` on a GPU this module never imports torch, it only uses it if it is loaded: a worker of
built-in models needs none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from models_registry.shared.kept_heap import collect_all


def collect() -> None:
    """Collect cyclic garbage and release cached memory; this takes a third of a second with torch."""
    collect_all()
    hand_back()


def hand_back() -> None:
    """Release the cached blocks of the device that no tensor occupies."""
    cuda = _cuda()
    if cuda is not None:
        cuda.empty_cache()


def allocated_bytes() -> int | None:
    """Return the bytes that tensors occupy on the device now; None if no device is in use."""
    cuda = _cuda()
    return None if cuda is None else int(cuda.memory_allocated())


def start_peak() -> int | None:
    """Begin a new peak, and return the bytes that tensors occupy now; None if no device is in use."""
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()
    return allocated_bytes()


def peak_bytes() -> int:
    """Return the most bytes that tensors occupied at once since the peak began."""
    cuda = _cuda()
    return 0 if cuda is None else int(cuda.max_memory_allocated())


def free_bytes(device: str) -> int | None:
    """Return what is free on a GPU before anything is loaded; None on a CPU, whose memory is others' too."""
    if not device.startswith("cuda"):
        return None
    import torch

    if not torch.cuda.is_available():  # a build of torch for the CPU; other frameworks may use the GPU
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def weight_bytes(modules: Iterable[Any]) -> int:
    """Return the bytes of the modules' parameters and buffers, each block of memory counted once."""
    blocks = {}
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            storage = tensor.untyped_storage()
            blocks[storage.data_ptr() or id(storage)] = storage.nbytes()
    return sum(blocks.values())


def _cuda() -> Any:
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
