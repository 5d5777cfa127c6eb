"""An echo whose GPU is sick where SICK_GPU says so: it answers after each error, or never again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from models_registry.loaders.builtin import Faulty
from tests.support.fake_driver import DEAD

ENTRY_POINT = f"{__name__}:sick"
SLOW_S = 0.5


class Sick(Faulty):
    """On a sick GPU it fails at once; on another it takes its time."""

    def run(self, batch: list[Any]) -> list[Any]:
        gpu = os.environ.get("SICK_GPU")
        if gpu == "dead":
            os.environ["FAKE_GPU"] = DEAD
        if gpu:
            raise RuntimeError("CUDA error: unknown error")
        time.sleep(SLOW_S)
        return super().run(batch)


def sick(options: Mapping[str, Any], device: str) -> Sick:
    """Return the model; it is on no device."""
    del options, device
    return Sick()
