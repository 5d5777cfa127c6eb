"""The device's memory: what is occupied, and handing back what is cached.

Torch is looked at only where somebody else has imported it: a worker of built-in models never does.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from typing import Any


def collect() -> None:
    """Free what only cycles still refer to, and hand it back; that takes a third of a second with torch."""
    gc.collect()
    hand_back()


def hand_back() -> None:
    """Give the device's cached blocks, which no tensor occupies, back to it."""
    cuda = _cuda()
    if cuda is not None:
        cuda.empty_cache()


def allocated_bytes() -> int | None:
    """Return the bytes that tensors occupy on the device now; None where there is no device in use."""
    cuda = _cuda()
    return None if cuda is None else int(cuda.memory_allocated())


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
