"""A model whose versions share a device that runs one batch at a time, as a GPU with one stream does."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from threading import Lock
from typing import Any

from models_registry.core.runner import Item

DEVICE = f"{__name__}:device"
_BUSY = Lock()  # of the process: whatever runs, a job or a copy, the other waits


class Device:
    """Holds the device for `base_s`, and `per_item_s` for each item, and answers with the input."""

    def __init__(self, base_s: float, per_item_s: float) -> None:
        self._base_s, self._per_item_s = base_s, per_item_s

    def key(self, item: Item) -> Hashable:
        return len(item.parameters)

    def collate(self, items: Sequence[Item]) -> list[Any]:
        return [item.input for item in items]

    def run(self, batch: list[Any]) -> list[Any]:
        with _BUSY:
            time.sleep(self._base_s + self._per_item_s * len(batch))
        return batch

    def outputs(self, raw: list[Any]) -> list[Any]:
        return raw


def device(options: Mapping[str, Any], _: str) -> Device:
    return Device(float(options["base_s"]), float(options["per_item_s"]))
