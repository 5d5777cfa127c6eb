"""The memory of a model on host and device."""

from __future__ import annotations

import pytest

from models_registry.loaders import memory


def test_weights_are_counted_once_however_often_they_are_used() -> None:
    import torch

    inner = torch.nn.Linear(100, 50)
    shared = torch.nn.Sequential(inner, torch.nn.BatchNorm1d(50), inner)
    weights = 4 * (100 * 50 + 50) + 4 * 4 * 50 + 8
    assert memory.weight_bytes([shared]) == weights
    assert memory.weight_bytes([shared, inner]) == weights


def test_half_precision_occupies_half() -> None:
    import torch

    layer = torch.nn.Linear(64, 64, bias=False)
    assert memory.weight_bytes([layer.to(torch.bfloat16)]) == 2 * 64 * 64


class Cuda:
    def __init__(self) -> None:
        self.emptied = 0

    def is_initialized(self) -> bool:
        return True

    def empty_cache(self) -> None:
        self.emptied += 1

    def memory_allocated(self) -> int:
        return 12


def test_a_device_in_use_is_asked_and_its_cache_handed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    cuda = Cuda()
    monkeypatch.setattr(torch, "cuda", cuda)
    memory.hand_back()
    assert (cuda.emptied, memory.allocated_bytes()) == (1, 12)


def test_without_a_device_nothing_is_measured() -> None:
    memory.collect()
    assert memory.allocated_bytes() is None


def test_a_gpu_that_torch_was_not_built_for_has_no_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert memory.free_bytes("cuda:0") is None
