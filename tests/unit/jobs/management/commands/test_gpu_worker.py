"""What a worker decides about its device before it loads anything."""

from __future__ import annotations

import os

import pytest

from jobs.management.commands.gpu_worker import budget_bytes, tune_allocator
from models_registry.pool import MIB


def test_the_budget_is_the_operator_s_or_most_of_what_a_gpu_has_free() -> None:
    assert budget_bytes(100, 1_000 * MIB) == 100 * MIB
    assert budget_bytes(None, 1_000 * MIB) == 850 * MIB
    assert budget_bytes(None, None) is None


def test_an_operator_s_choice_of_the_allocator_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "")  # so that it is as before after the test
    monkeypatch.delenv("PYTORCH_ALLOC_CONF")
    tune_allocator()
    with monkeypatch.context() as patch:
        patch.setenv("PYTORCH_ALLOC_CONF", "backend:cudaMallocAsync")
        tune_allocator()
        assert os.environ["PYTORCH_ALLOC_CONF"] == "backend:cudaMallocAsync"
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
