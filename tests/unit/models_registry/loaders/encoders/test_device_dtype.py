"""The type of the weights follows the device where the version leaves it open."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models_registry.loaders.encoders.device_dtype import chosen_dtype, dtype_on


@pytest.mark.parametrize(
    ("dtype", "kind", "major", "chosen"),
    [
        ("auto", "cpu", None, "float32"),
        ("auto", "mps", None, "float32"),
        ("auto", "cuda", 6, "float32"),
        ("auto", "cuda", 7, "float16"),
        ("auto", "cuda", 8, "bfloat16"),
        ("auto", "cuda", 9, "bfloat16"),
        ("float32", "cuda", 9, "float32"),
        ("bfloat16", "cpu", None, "bfloat16"),
    ],
)
def test_the_type_is_the_fastest_that_the_device_runs_well(
    dtype: str, kind: str, major: int | None, chosen: str
) -> None:
    assert chosen_dtype(dtype, kind, major) == chosen


def test_the_capability_is_that_of_the_worker_s_own_gpu() -> None:
    capabilities = {"cuda:0": (7, 5), "cuda:1": (9, 0)}
    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=capabilities.__getitem__))
    types = [dtype_on(torch, "auto", device) for device in ("cuda:0", "cuda:1", "cpu")]
    assert types == ["float16", "bfloat16", "float32"]
