"""The same sentences through the same model in this process, to compare the whole system with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from models_registry.core.runner import Item, Runner, answer

BATCH_SIZES = (8, 16, 32, 64)


def best_direct(runner: Runner, inputs: Sequence[Any], *, sample: int) -> tuple[int, float]:
    """Return the fastest fixed batch size and its items per second, over a sample in arrival order."""
    sampled = inputs[:: max(1, len(inputs) // sample)]
    _run(runner, sampled[: max(BATCH_SIZES)], max(BATCH_SIZES))
    speeds = {size: len(sampled) / _run(runner, sampled, size) for size in BATCH_SIZES}
    best = max(speeds, key=speeds.__getitem__)
    return best, speeds[best]


def _run(runner: Runner, inputs: Sequence[Any], size: int) -> float:
    started = time.perf_counter()
    for batch in _batches(inputs, size):
        answer(runner, [Item(value) for value in batch])
    return time.perf_counter() - started


def _batches(inputs: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (inputs[start : start + size] for start in range(0, len(inputs), size))
