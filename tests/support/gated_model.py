"""A model that a test holds in mid-batch: it answers once a file, its gate, exists."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models_registry.loaders.builtin import Faulty

ENTRY_POINT = f"{__name__}:gated"
SHUT = f"{__name__}:shut"
SLUGGISH = f"{__name__}:sluggish"
LOOK_S = 0.02


class Gated(Faulty):
    """A faulty echo whose batches end once the file `gate` exists."""

    def __init__(self, gate: Path) -> None:
        super().__init__()
        self.gate = gate

    def run(self, batch: list[Any]) -> list[Any]:
        while not self.gate.exists():
            time.sleep(LOOK_S)
        return super().run(batch)


def gated(options: Mapping[str, Any], device: str) -> Gated:
    return Gated(Path(options["gate"]))


def shut(options: Mapping[str, Any], device: str) -> Faulty:
    """A faulty echo that loads only once the file `gate` exists."""
    if not Path(options["gate"]).exists():
        raise FileNotFoundError("the artifact is not there yet")
    return Faulty()


def sluggish(options: Mapping[str, Any], device: str) -> Faulty:
    """A faulty echo that takes `load_s` to load."""
    time.sleep(float(options["load_s"]))
    return Faulty()
