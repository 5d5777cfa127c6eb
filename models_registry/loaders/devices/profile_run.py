"""What a full batch needs of the device beside the weights: copies of the example run, the peak is read."""

from __future__ import annotations

import json
import logging
from typing import Protocol

from models_registry.core.loads.load_faults import ran_out
from models_registry.core.runner import Clipped, Item, Runner, answer
from models_registry.core.version import VersionInfo
from models_registry.loaders import memory
from models_registry.loaders.devices.device_errors import names_device

logger = logging.getLogger(__name__)


class PeakReader(Protocol):
    """Reads the memory of the device that is in use."""

    def start_peak(self) -> int | None:
        """Begin a new peak, and return the bytes that tensors occupy now; None without a device."""

    def peak_bytes(self) -> int:
        """Return the most bytes that tensors occupied at once since the peak began."""

    def hand_back(self) -> None:
        """Release the cached blocks that no tensor occupies."""


def working_bytes(
    runner: Runner, info: VersionInfo, device: str, *, reader: PeakReader = memory, clipped: object = None
) -> int:
    """Return what a full batch of the version's example needs beside the weights; 0 where it cannot be known.

    A batch that does not fit is halved: a worker does so too. Where not even one item fits, the error is
    raised, as is one that names the device. Other errors are none of the load: the example alone has run.
    `clipped` is the runner that may say up to which length an input counts.
    """
    if info.example is None or not device.startswith("cuda"):
        return 0
    items = [Item(info.example)] * full_batch(info.on(device), clipped)
    while (before := reader.start_peak()) is not None:
        try:
            answer(runner, items)
        except Exception as error:
            memory_lacked = ran_out(error)
            if len(items) == 1 if memory_lacked else names_device(error):
                raise
            if not memory_lacked:
                logger.warning(
                    "%s: %d copies of its example raise %s", info, len(items), type(error).__name__
                )
                return 0
        else:
            return max(reader.peak_bytes() - before, 0)
        # Here the exception is gone, so nothing refers any more to the tensors that did not fit.
        items = items[: len(items) // 2]
        reader.hand_back()
    return 0


def full_batch(limits: VersionInfo, clipped: object = None) -> int:
    """Return how many copies of the example a batch of the version may hold."""
    size = len(json.dumps(limits.example, ensure_ascii=False, separators=(",", ":")).encode())
    if isinstance(clipped, Clipped) and clipped.longest_bytes is not None:
        size = min(size, clipped.longest_bytes)
    if not limits.max_padded_size:
        return limits.max_batch
    return max(min(limits.max_batch, limits.max_padded_size // size), 1)
